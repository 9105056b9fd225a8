"""What a method must hold, whoever wrote it: `python -m bench selftest --method NAME`. Takes a few seconds."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.api import MethodCard, MethodConfig, Segmenter, UserError
from bench.checkpoint import Progress, load_checkpoint, save_checkpoint
from bench.data.labels import CLASSES
from bench.data.reader import open_dataset
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.heads import ConfiguredHead
from bench.spec import HeadConfig, Recipe
from bench.train import parameter_groups

SIZES = ((64, 128), (50, 70), (96, 80))
STEPS, LEARNING_RATE, SEED = 2, 1e-3, 0
HEAD = {
    "hidden": 32,
    "num_queries": 8,
    "encoder_layers": 1,
    "encoder_ffn": 32,
    "decoder_layers": 1,
    "decoder_ffn": 32,
    "heads": 4,
    "loss_points": 256,
}


class Check(NamedTuple):
    """One demand, and what was found wrong; empty when it holds."""

    name: str
    problem: str


def selftest(method: MethodCard, backbone: str = "eva02-mini") -> list[Check]:
    """Try `method` with its own defaults on an untrained backbone; every check is made, whatever the others find.

    A method that cannot be built is not checked further. Raises UserError for one that brings its own model.
    """
    if method.own_model is not None:
        raise UserError(f"method {method.name} brings its own model: there is nothing to try on a backbone")
    test = _Selftest(method, backbone)
    checks = [_try("its card is complete", test.card_is_complete), _try("it builds", test.builds)]
    if checks[-1].problem:
        return checks
    for name, check in (
        ("something trains", test.something_trains),
        ("two steps lower the loss", test.two_steps_lower_the_loss),
        ("only declared parameters move", test.only_declared_parameters_move),
        ("frozen parts stay in eval mode", test.frozen_parts_stay_in_eval),
        ("its state survives saving and loading", test.state_survives),
        ("images of any size", test.any_size),
        ("two threads at once", test.two_threads),
        ("the same seed builds the same model", test.same_seed_same_model),
        ("bfloat16", test.half_precision),
    ):
        checks.append(_try(name, check))
    return checks


def _try(name: str, check: Callable[[], Iterator[str]]) -> Check:
    try:
        return Check(name, next(iter(check()), ""))
    except Exception as error:  # whatever a plugin raises is what is reported
        return Check(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


class _Selftest:
    """The checks; each yields what it finds wrong."""

    def __init__(self, method: MethodCard, backbone: str) -> None:
        self.method = method
        self.backbone = load_card(backbone)
        self.images, self.labels = _batch()

    def build(self) -> Segmenter:
        """The method on an untrained backbone, seeded."""
        torch.manual_seed(SEED)
        backbone = build_backbone(self.backbone)
        torch.manual_seed(SEED)
        head = ConfiguredHead(HeadConfig.model_validate({**HEAD, **self.method.head}), len(CLASSES))
        return self.method.build(backbone, head, self.method.config()).train()

    def loss(self, segmenter: Segmenter) -> Tensor:
        """Of the one batch, always with the same random points."""
        torch.manual_seed(SEED)
        return torch.stack(list(segmenter.loss(self.images, self.labels).values())).sum()

    def train(self, segmenter: Segmenter) -> None:
        """A few steps on the one batch, with the learning rates and the decay the method asks for."""
        recipe = Recipe(lr=LEARNING_RATE)
        optimizer = torch.optim.AdamW(parameter_groups(segmenter, recipe), lr=recipe.lr)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * group["lr_scale"]
        for _ in range(STEPS):
            optimizer.zero_grad()
            self.loss(segmenter).backward()
            optimizer.step()

    def card_is_complete(self) -> Iterator[str]:
        """Name, summary, a typed configuration with defaults, overrides that exist."""
        card = self.method
        if not card.name or not card.summary:
            yield "the card has no name or no summary"
        if not issubclass(card.config, MethodConfig):
            yield "its config is no MethodConfig"
        card.config().model_dump(mode="json")
        Recipe.model_validate(dict(card.recipe))
        HeadConfig.model_validate(dict(card.head))

    def builds(self) -> Iterator[str]:
        """A Segmenter."""
        if not isinstance(self.build(), Segmenter):
            yield "build gives no Segmenter"

    def something_trains(self) -> Iterator[str]:
        """And a gradient reaches all that trains."""
        segmenter = self.build()
        if not segmenter.trainable_names():
            yield "nothing requires a gradient"
        self.loss(segmenter).backward()
        yield from _without_gradient(segmenter)
        if not any(p.grad.any() for p in segmenter.parameters() if p.grad is not None):
            yield "every gradient is zero"

    def two_steps_lower_the_loss(self) -> Iterator[str]:
        """On the batch they are made on."""
        segmenter = self.build()
        before = float(self.loss(segmenter).detach())
        self.train(segmenter)
        after = float(self.loss(segmenter).detach())
        if not after < before:
            yield f"it was {before:.4f} and is {after:.4f}"

    def only_declared_parameters_move(self) -> Iterator[str]:
        """What does not require a gradient is bit for bit what it was, buffers of frozen modules included."""
        segmenter = self.build()
        declared = set(segmenter.trainable_state())
        before = copy.deepcopy(segmenter.state_dict())
        self.train(segmenter)
        for name, tensor in segmenter.state_dict().items():
            if name not in declared and not torch.equal(tensor, before[name]):
                yield f"{name} changed"

    def frozen_parts_stay_in_eval(self) -> Iterator[str]:
        """Also after .train(): no drop path, no moving statistics."""
        for name, module in self.build().named_modules():
            parameters = list(module.parameters())
            if parameters and module.training and not any(p.requires_grad for p in parameters):
                yield f"{name} is frozen and in training mode"

    def state_survives(self) -> Iterator[str]:
        """A trained model, saved and loaded into a new one, predicts the same."""
        trained, fresh = self.build(), self.build()
        self.train(trained)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.safetensors"
            save_checkpoint(path, Progress(spec_hash="selftest"), trained)
            load_checkpoint(path, "selftest", fresh)
        with torch.no_grad():
            if not torch.equal(trained.eval().logits(self.images), fresh.eval().logits(self.images)):
                yield "the loaded model predicts otherwise: something that changes in training is not saved"

    def any_size(self) -> Iterator[str]:
        """Scores of every class at the image's size, finite."""
        segmenter = self.build().eval()
        for size in SIZES:
            with torch.no_grad():
                scores = segmenter.logits(torch.rand(1, 3, *size))
            if tuple(scores.shape) != (1, len(CLASSES), *size):
                yield f"scores of an image of {size} have the shape {tuple(scores.shape)}"
            if not scores.isfinite().all():
                yield f"scores of an image of {size} are not finite"

    def two_threads(self) -> Iterator[str]:
        """Evaluation predicts two batches at once: what a method keeps during a pass must not mix."""
        segmenter = self.build().eval()
        images = [torch.rand(1, 3, *SIZES[0]) for _ in range(2)]

        def predict(image: Tensor) -> Tensor:
            with torch.no_grad():
                return segmenter.logits(image)

        alone = [predict(image) for image in images]
        with ThreadPoolExecutor(2) as pool:
            together = list(pool.map(predict, images * 4))
        if not all(torch.allclose(found, alone[place % 2], atol=1e-5) for place, found in enumerate(together)):
            yield "predictions made in two threads at once differ from those made one after the other"

    def same_seed_same_model(self) -> Iterator[str]:
        """All that is random in building comes from torch's generator."""
        first, second = self.build().state_dict(), self.build().state_dict()
        for name, tensor in first.items():
            if not torch.equal(tensor, second[name]):
                yield f"{name} differs"

    def half_precision(self) -> Iterator[str]:
        """Losses stay finite under autocast, and train."""
        segmenter = self.build()
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.loss(segmenter)
        if not loss.isfinite():
            yield f"the loss is {float(loss)}"
        loss.backward()
        yield from _without_gradient(segmenter)


def _without_gradient(segmenter: Segmenter) -> Iterator[str]:
    for name, parameter in segmenter.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            yield f"no gradient reaches {name}"
        elif not parameter.grad.isfinite().all():
            yield f"the gradient of {name} is not finite"


def _batch() -> tuple[Tensor, Tensor]:
    """Two quarters of frames of the embedded source: images (2, 3, 64, 128), labels (2, 64, 128)."""
    dataset = open_dataset("streets-source", 2)
    samples = [dataset[index] for index in range(2)]
    images = np.stack([sample.image[48:112, 64:192] for sample in samples]).transpose(0, 3, 1, 2)
    labels = np.stack([sample.label[48:112, 64:192] for sample in samples])
    return torch.from_numpy(images / np.float32(255)), torch.from_numpy(labels.astype(np.int64))
