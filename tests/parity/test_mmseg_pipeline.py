"""The training pipeline against mmsegmentation's, built from its own transforms as Rein's configuration has them.

Piece by piece, with the same draws on both sides: pixels are exactly equal (test_mmseg_draws.py is about the draws).
Two differences are meant, and held: padding is the nearest 8-bit colour to the mean (theirs is added after
normalisation), and one gain in a thousand moves a few levels of 256 by one (they multiply in 32 bits).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mmseg_case import REIN, Array, given, load, needs_mmseg, sample

from bench.data import transforms
from bench.data.labels import IGNORE
from bench.data.transforms import PAD_COLOUR, photometric, train_transform

pytestmark = needs_mmseg
SIZES = ((1052, 1914), (760, 1280), (1024, 2048), (1080, 1080), (1280, 720), (375, 1242), (900, 2500), (512, 512))
"""Height, width: GTA5, SYNTHIA, Cityscapes, square, upright; KITTI and another whose long edge reaches the limit."""


@pytest.fixture(scope="module")
def mmseg() -> ModuleType:
    """benchmarks.mmseg_pipeline."""
    module = load()
    module.load_transforms()
    return module


class Draws:
    """A source of random numbers that gives what it was told to, in that order: ours and both of theirs."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def _next(self, *_: object, **__: object) -> Any:
        return self.values.pop(0)

    integers = randint = random = uniform = choice = _next


def same(ours: Sequence[Array], theirs: dict[str, Any]) -> None:
    np.testing.assert_array_equal(ours[0], theirs["img"][..., ::-1])
    np.testing.assert_array_equal(ours[1], theirs["gt_seg_map"])


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_resizing(mmseg: ModuleType, monkeypatch: pytest.MonkeyPatch, height: int, width: int) -> None:
    whole, (step, *_) = sample(height, width), mmseg.augmentation(REIN)
    assert len(REIN.short_edges) == 16
    theirs = mmseg.build([step])
    for number in range(16):
        ours = transforms._resize(whole.image, whole.label, REIN, Draws(number))
        with monkeypatch.context() as patch, mmseg.scope():
            patch.setattr("numpy.random.randint", Draws(number).randint)
            same(ours, theirs(given(whole.image, whole.label)))
        assert max(ours[1].shape) <= REIN.long_edge_max


def test_sizes_of_any_picture(mmseg: ModuleType) -> None:
    from mmcv.image.geometric import rescale_size
    from mmseg.datasets.transforms import ResizeShortestEdge

    with mmseg.scope():
        step = ResizeShortestEdge(scale=0, max_size=REIN.long_edge_max)
    rng = np.random.default_rng(0)
    for _ in range(20_000):
        (height, width), edge = rng.integers(60, 3000, 2).tolist(), int(rng.choice(REIN.short_edges))
        box = step._get_output_shape(np.empty((height, width)), edge)
        assert transforms.target_size(height, width, edge, REIN.long_edge_max) == rescale_size((width, height), box)


CROPS = [
    ((300, 700), [(10, 20)]),
    ((300, 700), [(44, 444), (0, 0), (7, 99)]),
    ((256, 256), [(0, 0)] * 11),
    ((100, 700), [(0, 3)] * 11),
    ((700, 100), [(300, 0)] * 11),
]


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.75, 1.0])
@pytest.mark.parametrize(("size", "windows"), CROPS)
def test_cropping(
    mmseg: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    windows: list[tuple[int, int]],
    ratio: float,
) -> None:
    """The same window of those drawn, after as many draws; 0 is never content, 1 always."""
    recipe = REIN.model_copy(update={"crop": (256, 256), "cat_max_ratio": ratio})
    whole = sample(*size)
    drawn = [place for window in windows * 11 for place in window]
    mine, other = Draws(*drawn), Draws(*drawn)
    ours = transforms._crop(whole.image, whole.label, recipe, mine)
    monkeypatch.setattr("numpy.random.randint", other.randint)
    same(ours, mmseg.build(mmseg.augmentation(recipe)[1:2])(given(whole.image, whole.label)))
    assert len(mine.values) == len(other.values)
    assert len(drawn) - len(mine.values) == 22 if ratio == 0 else 2 if ratio == 1 else True


def test_a_window_at_the_limit(mmseg: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three quarters of what is labelled are too much, a pixel less is not; void does not count, nor alone."""
    recipe = REIN.model_copy(update={"crop": (4, 8)})
    label = np.full((4, 40), IGNORE, np.uint8)
    label[:, 8:14], label[:, 14:16] = 3, 5  # three quarters
    label[:, 16:22], label[:, 22:24], label[0, 16] = 3, 5, 5  # one less
    label[:, 24:32] = 7  # one class
    for lefts, chosen in (([0, 8, 24, 16, 32], 16), ([8] * 10 + [24, 16], 24)):
        drawn = [place for left in lefts for place in (0, left)]
        ours = transforms._crop(label, label, recipe, Draws(*drawn))
        np.testing.assert_array_equal(ours[1], label[:, chosen : chosen + 8])
        with monkeypatch.context() as patch:
            patch.setattr("numpy.random.randint", Draws(*drawn).randint)
            found = mmseg.build(mmseg.augmentation(recipe)[1:2])(given(np.zeros((4, 40, 3), np.uint8), label))
        np.testing.assert_array_equal(found["gt_seg_map"], ours[1])


@pytest.mark.parametrize("flipped", [True, False])
def test_flipping(mmseg: ModuleType, monkeypatch: pytest.MonkeyPatch, flipped: bool) -> None:
    """Through the whole of ours, in which nothing else happens."""
    whole = sample(96, 160)
    recipe = REIN.model_copy(update={"crop": (96, 160), "short_edges": (96,), "cat_max_ratio": 1.0})
    recipe = recipe.model_copy(update={"photometric": False})
    image, label = train_transform(whole, recipe, Draws(0, 0, 0, 0.49 if flipped else 0.5))  # type: ignore[arg-type]
    monkeypatch.setattr("numpy.random.choice", Draws("horizontal" if flipped else None).choice)  # type: ignore[arg-type]
    same((image.transpose(1, 2, 0), label), mmseg.build(mmseg.augmentation(recipe)[2:3])(given(*whole[:2])))
    assert np.array_equal(label, whole.label) != flipped


BRANCHES = {
    "nothing": ([], None, None, [], []),
    "brightness": ([-31.7], None, None, [], []),
    "lightness": ([17.3], None, None, [], []),
    "contrast first": ([], 1.43, None, [], []),
    "contrast last": ([], None, 0.5713, [], []),
    "saturation": ([], None, None, [0.61], []),
    "colour": ([], None, None, [1.49], []),
    "hue": ([], None, None, [], [-18]),
    "other hue": ([], None, None, [], [17]),
    "all, contrast first": ([12.9], 0.71, None, [1.21], [5]),
    "all, contrast last": ([-20.1], None, 1.37, [0.83], [-9]),
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_photometric_distortion(mmseg: ModuleType, monkeypatch: pytest.MonkeyPatch, branch: str) -> None:
    shift, first, last, saturation, hue = BRANCHES[branch]
    mode = last is None

    def drawn(yes: float, no: float, early: float, late: float) -> list[float]:
        def part(values: Sequence[float | None]) -> list[float]:
            given = [value for value in values if value is not None]
            return [yes, *given] if given else [no]

        order = [*part(shift), early if mode else late, *(part([first]) if mode else [])]
        return [*order, *part(saturation), *part(hue), *([] if mode else part([last]))]

    mine, other = Draws(*drawn(0.49, 0.5, 0.49, 0.5)), Draws(*drawn(1, 0, 1, 0))
    image = sample(120, 200).image
    ours = photometric(image, mine)  # type: ignore[arg-type]
    monkeypatch.setattr("mmseg.datasets.transforms.transforms.random", other)
    theirs = mmseg.build([{"type": "PhotoMetricDistortion"}])(given(image, image[..., 0]))["img"][..., ::-1]
    assert not mine.values
    assert not other.values
    np.testing.assert_array_equal(ours, theirs)
    assert np.array_equal(ours, image) == (branch == "nothing")


def test_gains_are_theirs_but_for_the_rounding_of_32_bits(mmseg: ModuleType) -> None:
    from mmseg.datasets.transforms import PhotoMetricDistortion

    levels, rng = np.arange(256, dtype=np.uint8), np.random.default_rng(0)
    apart = 0
    for gain in rng.uniform(0.5, 1.5, 20_000).tolist():
        ours, theirs = transforms._scaled(levels, gain, 0.0), PhotoMetricDistortion().convert(levels, alpha=gain)
        if not np.array_equal(ours, theirs):
            apart += 1
            products = np.flatnonzero(ours != theirs) * gain
            assert np.abs(products - products.round()).max() < 2e-5, "32-bit products are rounded to a whole number"
            assert np.abs(ours.astype(int) - theirs).max() == 1
    assert 0 < apart < 60, "one gain in a thousand moves a few levels of 256 by one"
    for shift in rng.uniform(-32, 32, 5_000).tolist():
        np.testing.assert_array_equal(
            transforms._scaled(levels, 1.0, shift), PhotoMetricDistortion().convert(levels, beta=shift)
        )


@pytest.mark.parametrize("size", [(96, 160), (96, 128), (64, 160), (60, 90)])
def test_padding(mmseg: ModuleType, size: tuple[int, int]) -> None:
    import torch
    from mmengine.structures import PixelData
    from mmseg.models import SegDataPreProcessor
    from mmseg.structures import SegDataSample

    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    preprocessor = SegDataPreProcessor(mean, std, size=(96, 160), bgr_to_rgb=True, pad_val=0, seg_pad_val=IGNORE)
    whole = sample(*size)
    label = SegDataSample(gt_sem_seg=PixelData(data=torch.from_numpy(whole.label.astype(int))[None]))
    bgr = torch.from_numpy(given(*whole[:2])["img"].transpose(2, 0, 1).copy())
    theirs = preprocessor({"inputs": [bgr], "data_samples": [label]}, training=True)
    image, ids = transforms._pad(whole.image, whole.label, (96, 160))
    np.testing.assert_array_equal(ids, theirs["data_samples"][0].gt_sem_seg.data[0])
    normal = (torch.from_numpy(image).permute(2, 0, 1) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[
        :, None, None
    ]
    found = theirs["inputs"][0]
    torch.testing.assert_close(normal[:, : size[0], : size[1]], found[:, : size[0], : size[1]], atol=1e-6, rtol=0)
    torch.testing.assert_close(normal, found, atol=0.5 / 57, rtol=0)  # half a level: the colour is the nearest
    assert np.abs(np.subtract(PAD_COLOUR, mean)).max() <= 0.5
