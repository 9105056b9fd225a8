"""The weather ladders of the embedded world: paired frames, in which only the strength differs, and grows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from bench.data.cards import load_card
from bench.data.reader import open_dataset
from bench.data.streets import DOMAINS, render
from bench.data.streets.ladder import LADDER
from bench.data.streets.look import CONTRAST, DROPS, RAIN, SATURATION, SEED, SNOW, SUN, TEXTURE, TINT
from bench.data.streets.style import draw_look
from bench.protocols import load_protocol

KINDS = ("fog", "night", "rain", "snow")
FRAMES = range(6)
SIZE = (64, 128)

# Rendered before there were ladders: what they needed must not have moved these.
BEFORE = {
    "town": "8283fb7864e507fd",
    "fog": "b798105f3af6b67c",
    "night": "d2459c00ba8d6f7f",
    "rain": "68148247375017c0",
    "snow": "599a354c7b29395f",
    "wild": "e292c1ec441d2d3c",
}
SHARED = [SUN, SUN + 1, SUN + 2, TEXTURE, SATURATION, CONTRAST, TINT, TINT + 1, TINT + 2, SEED]
"""Columns of a look's values that no weather changes."""
Images = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def images() -> Images:
    """(frames, height, width, 3) float of every rung, of the fair town, and of the four weathers."""
    names = ("town", *KINDS, *LADDER)
    return {name: np.stack([render(name, i, *SIZE).image for i in FRAMES]).astype(float) for name in names}


@pytest.mark.parametrize("domain", BEFORE)
def test_the_other_places_have_not_moved(domain: str) -> None:
    frame = render(domain, 7, 64, 128)
    assert hashlib.sha256(frame.label.tobytes() + frame.image.tobytes()).hexdigest()[:16] == BEFORE[domain]


def test_names() -> None:
    assert list(LADDER) == [f"{kind}-{strength}" for kind in KINDS for strength in range(1, 6)]
    assert set(LADDER) < set(DOMAINS)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_paired(kind: str) -> None:
    """Labels, depths and instances are those of the fair town, and so is what the look's draws decide."""
    fair = render("town", 4, *SIZE)
    looks = [draw_look(DOMAINS[name].style, 11) for name in ("town", *(f"{kind}-{s}" for s in range(1, 6)))]
    for strength in range(1, 6):
        frame = render(f"{kind}-{strength}", 4, *SIZE)
        for part in ("label", "instance", "depth"):
            np.testing.assert_array_equal(getattr(frame, part), getattr(fair, part))
        np.testing.assert_array_equal(looks[strength].colours, looks[0].colours)
        np.testing.assert_array_equal(looks[strength].values[SHARED], looks[0].values[SHARED])
        assert looks[strength].vignette == looks[0].vignette


def faintness(images: np.ndarray, fair: np.ndarray) -> np.ndarray:
    """Local contrast, and less of it is more: differences between neighbours."""
    return np.asarray(-abs(np.diff(images, axis=2)).mean((1, 2, 3)))


def darkness(images: np.ndarray, fair: np.ndarray) -> np.ndarray:
    return -images.mean((1, 2, 3))


def change(images: np.ndarray, fair: np.ndarray) -> np.ndarray:
    """How far from fair weather, in grey levels."""
    return np.asarray(abs(images - fair).mean((1, 2, 3)))


def changed(images: np.ndarray, fair: np.ndarray) -> np.ndarray:
    """Share of pixels that are not what they are in fair weather."""
    return (abs(images - fair).max(3) > 20).mean((1, 2))


@pytest.mark.parametrize(
    ("kind", "measure"),
    [
        ("fog", faintness),
        ("fog", change),
        ("night", darkness),
        ("night", change),
        ("rain", change),
        ("rain", changed),
        ("snow", change),
        ("snow", changed),
    ],
)
def test_every_step_is_stronger_in_every_frame(
    images: Images, kind: str, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    fair = images["town"]
    values = np.stack([measure(images[f"{kind}-{strength}"], fair) for strength in range(1, 6)])
    assert (np.diff(values, axis=0) > 0).all(), values.round(3)


@pytest.mark.parametrize("kind", ["rain", "snow"])
def test_more_drops_fall(kind: str) -> None:
    looks = [draw_look(LADDER[f"{kind}-{strength}"], 0).values for strength in range(1, 6)]
    drops = [look[DROPS] * (look[RAIN] + look[SNOW]) for look in looks]
    assert drops == sorted(set(drops))
    assert drops[4] > 3 * drops[2] * 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_strength_three_is_like_the_place_that_draws_its_weather(images: Images, kind: str) -> None:
    for statistic, tolerance in ((np.mean, 10), (np.std, 6)):
        one, other = float(statistic(images[f"{kind}-3"])), float(statistic(images[kind]))
        assert abs(one - other) < tolerance, (one, other)


def test_cards_and_protocol() -> None:
    protocol = load_protocol("streets-weather")
    streets = load_protocol("streets")
    rungs = [target for target in protocol.targets if target.group == "weather"]
    assert [target.name for target in rungs] == list(LADDER)
    assert [target.name for target in protocol.targets if target.group != "weather"] == ["source", "fair"]
    for target in (*rungs, protocol.targets[1]):
        card = load_card(target.dataset)
        assert (card.kind, card.split, card.images, card.height, card.width) == ("streets", "val", 20, 128, 256)
    for part in ("sources", "recipe", "head", "methods", "backbones", "tracks"):
        assert getattr(protocol, part) == getattr(streets, part), part


def test_cards_are_paired_too() -> None:
    one, other = (open_dataset(f"streets-{name}", images=2)[1] for name in ("fog-1", "snow-5"))
    np.testing.assert_array_equal(one.label, other.label)
    assert not np.array_equal(one.image, other.image)
