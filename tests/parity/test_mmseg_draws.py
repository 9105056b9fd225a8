"""What our training pipeline draws against what mmsegmentation's does: samples of the same scene, each side its own.

All is read off the pixels: where a ramp of coordinates went tells the window, the size and the flip; the label what
the rule about one class does; patches of colour the photometric parts. Two samples of one distribution give a p-value
above KEPT in every quantity (Kolmogorov-Smirnov; chi squared for choices), a wrong setting one below FOUND in some.
Seeds are fixed: nothing here is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from mmseg_case import REIN, Array, given, load, needs_mmseg
from scipy.stats import chi2_contingency, ks_2samp

from bench.data import transforms
from bench.data.labels import IGNORE
from bench.data.reader import Sample
from bench.data.transforms import train_transform
from bench.spec import Recipe

pytestmark = needs_mmseg
KEPT, FOUND = 1e-3, 1e-9
Table = dict[str, npt.NDArray[np.float64]]
"""Quantity -> its value in every sample."""

EDGES = tuple(edge // 4 for edge in REIN.short_edges)
SMALL = {"crop": (64, 128), "short_edges": EDGES, "long_edge_max": REIN.long_edge_max // 4}
"""Rein's recipe at a quarter of its size."""
GEOMETRY = REIN.model_copy(update=SMALL | {"photometric": False})
COLOURS = np.array([(90, 90, 90), (200, 60, 40), (50, 120, 190), (100, 140, 60)], np.uint8)
COLOUR = REIN.model_copy(update={"crop": (4, 16), "short_edges": (4,), "cat_max_ratio": 1.0, "flip": 0.0})
CHOICES = {"edge", "flip"}
SAMPLES = {"geometry": 1500, "colour": 12_000}


def scene() -> Sample:
    """128 x 256: red is the column, green twice the row; one class, on the right blocks, void at the foot."""
    rows, columns = np.mgrid[:128, :256]
    image = np.stack([columns, 2 * rows, 0 * rows], axis=-1).astype(np.uint8)
    blocks = np.random.default_rng(3).integers(1, 19, (8, 16)).astype(np.uint8)
    label = cv2.resize(blocks, (256, 128), interpolation=cv2.INTER_NEAREST)
    label[:, :216], label[120:] = 0, IGNORE
    return Sample(image, label, "scene")


def patches() -> Sample:
    image = np.ascontiguousarray(np.broadcast_to(COLOURS.repeat(4, axis=0), (4, 16, 3)))
    return Sample(image, np.zeros((4, 16), np.uint8), "patches")


def see_geometry(image: Array, label: Array) -> dict[str, float]:
    """Of a (64, 128, 3) RGB window of the scene and its label."""
    columns, rows = image[..., 0].astype(float), image[..., 1].astype(float)
    span = abs(columns[:, -1].mean() - columns[:, 0].mean()) / 127  # columns of the scene in one of the window
    counts = np.bincount(label.ravel(), minlength=256)[:19]
    return {
        "edge": float(np.abs(np.array(EDGES) / 128 - 1 / span).argmin()),
        "flip": float(columns[0, 0] > columns[0, -1]),
        "left": columns.min(),
        "top": rows.min(),
        "share": counts.max() / counts.sum(),
        "classes": float(np.count_nonzero(counts)),
        "first class": counts[0] / label.size,
        "void": (label == IGNORE).mean(),
    }


def see_colour(image: Array, _: Array) -> dict[str, float]:
    """Of the (4, 16, 3) RGB patches: their channels, and hue and saturation of those that have them."""
    found = image[:1, ::4].astype(np.uint8)
    seen = {f"{'rgb'[c]}{patch}": float(found[0, patch, c]) for patch in range(4) for c in range(3)}
    hsv = cv2.cvtColor(found, cv2.COLOR_RGB2HSV)[0].astype(float)
    for patch in range(1, 4):
        seen[f"hue {patch}"] = (hsv[patch, 0] + 60) % 180  # so that none of them is cut at 0
        seen[f"saturation {patch}"] = hsv[patch, 1]
    return seen


SEE: dict[str, Callable[[Array, Array], dict[str, float]]] = {"geometry": see_geometry, "colour": see_colour}
SCENES = {"geometry": (scene, GEOMETRY), "colour": (patches, COLOUR)}


def table(rows: list[dict[str, float]]) -> Table:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def ours(what: str, **fields: Any) -> Table:
    """Samples by our pipeline, with other settings if given."""
    make, recipe = SCENES[what]
    one, recipe = make(), Recipe.model_validate(recipe.model_dump() | fields)
    rows = []
    for number in range(SAMPLES[what]):
        image, label = train_transform(one, recipe, np.random.default_rng((5, number)))
        rows.append(SEE[what](image.transpose(1, 2, 0), label))
    return table(rows)


@pytest.fixture(scope="module")
def mmseg() -> ModuleType:
    module = load()
    module.load_transforms()
    return module


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Theirs draws from the global generator."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.fixture(scope="module")
def theirs(mmseg: ModuleType) -> dict[str, Table]:
    """Samples by mmsegmentation's pipeline, of both scenes."""
    tables = {}
    for what, (make, recipe) in SCENES.items():
        pipeline, one, rows = mmseg.build(mmseg.augmentation(recipe)), make(), []
        with seeded(11), mmseg.scope():
            for _ in range(SAMPLES[what]):
                found = pipeline(given(one.image, one.label))
                rows.append(SEE[what](found["img"][..., ::-1], found["gt_seg_map"]))
        tables[what] = table(rows)
    return tables


def likeness(mine: Table, other: Table) -> dict[str, float]:
    """p-value by quantity: of samples as different as these, or more, if both came from one distribution."""
    found = {}
    for name, values in mine.items():
        if name in CHOICES:
            kinds = np.union1d(values, other[name])
            counts = [[np.count_nonzero(side == kind) for kind in kinds] for side in (values, other[name])]
            found[name] = float(chi2_contingency(counts).pvalue)
        else:
            found[name] = float(ks_2samp(values, other[name]).pvalue)
    return found


@pytest.mark.parametrize("what", SCENES)
def test_both_draw_alike(theirs: dict[str, Table], what: str) -> None:
    found = likeness(ours(what), theirs[what])
    assert min(found.values()) > KEPT, found
    assert len(found) == {"geometry": 8, "colour": 18}[what]


def test_the_scene_shows_every_choice(theirs: dict[str, Table]) -> None:
    """The quantities are what they are named after: all 16 sizes, both flips, every corner of the scene."""
    seen = ours("geometry")
    for side in (seen, theirs["geometry"]):
        assert set(side["edge"]) == set(range(16))
        assert set(side["flip"]) == {0, 1}
        assert (side["left"].min(), side["top"].min()) == (0, 0)
        assert side["left"].max() > 180
        assert 0.02 < (side["share"] >= REIN.cat_max_ratio).mean() < 0.7  # ten more windows were no better
    fixed = ours("geometry", short_edges=(EDGES[9],), flip=1.0)
    assert set(fixed["edge"]) == {9}
    assert set(fixed["flip"]) == {1}


@pytest.mark.parametrize(
    ("wrong", "quantities"),
    [
        ({"short_edges": tuple(edge + 12 for edge in EDGES)}, ("edge",)),
        ({"short_edges": EDGES[:15]}, ("edge",)),
        ({"long_edge_max": 400}, ("edge",)),
        ({"cat_max_ratio": 1.0}, ("share", "classes", "first class")),
        ({"cat_max_ratio": 0.6}, ("share",)),
        ({"flip": 0.35}, ("flip",)),
    ],
    ids=str,
)
def test_a_wrong_recipe_is_found_out(
    theirs: dict[str, Table], wrong: dict[str, Any], quantities: tuple[str, ...]
) -> None:
    found = likeness(ours("geometry", **wrong), theirs["geometry"])
    assert all(found[name] < FOUND for name in quantities), found


@pytest.mark.parametrize(
    ("constant", "value", "quantities"),
    [
        ("_HUE", 9, ("hue 1", "hue 2", "hue 3")),
        ("_HUE", 24, ("hue 1", "hue 2", "hue 3")),
        ("_BRIGHTNESS", 20.0, ("r0", "g0", "b0")),
        ("_GAIN", (0.7, 1.3), ("r0", "saturation 1", "saturation 2")),
        ("_GAIN", (0.5, 1.3), ("r0", "saturation 1", "saturation 2")),
    ],
    ids=str,
)
def test_a_wrong_constant_is_found_out(
    theirs: dict[str, Table], monkeypatch: pytest.MonkeyPatch, constant: str, value: Any, quantities: tuple[str, ...]
) -> None:
    monkeypatch.setattr(transforms, constant, value)
    found = likeness(ours("colour"), theirs["colour"])
    assert all(found[name] < FOUND for name in quantities), found


@pytest.mark.parametrize("crop_tries", [1, 6])
def test_fewer_tries_are_found_out(theirs: dict[str, Table], monkeypatch: pytest.MonkeyPatch, crop_tries: int) -> None:
    monkeypatch.setattr(transforms, "_CROP_TRIES", crop_tries)
    assert likeness(ours("geometry"), theirs["geometry"])["share"] < FOUND
