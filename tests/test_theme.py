"""Colours, fillings and letters that everybody tells apart, measured."""

from __future__ import annotations

import math
from itertools import combinations, product

import matplotlib as mpl
import numpy as np
import pytest
from readable import COMMITTED, drawn, table_of

from bench.metrics import FloatArray
from bench.report.theme import COLOURS, GLYPHS, SEQUENTIAL, readable_on, styles
from bench.result import load_all

SEEN = {
    "as most do": np.eye(3),
    # Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency (IEEE
    # TVCG 2009), severity 1.0, applied to linear RGB.
    "without red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "without green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
FLOORS = {4: (18.0, 11.5), 5: (18.0, 11.5), 6: (12.0, 8.0), 7: (12.0, 8.0)}
"""How many colours, the first ones -> the least CIEDE2000 difference of any two of them, and of the weaker fills of
their bars, for all three kinds of eyes. As a measure: about 2 is just seen; of seaborn's `colorblind` the two oranges
have 9, and half way to white 5."""


def linear(colour: str) -> FloatArray:
    part = np.array(mpl.colors.to_rgb(colour))
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(light: FloatArray) -> FloatArray:
    """CIELAB of linear sRGB, white D65 (IEC 61966-2-1; CIE 15)."""
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(matrix) @ np.clip(light, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one: FloatArray, other: FloatArray) -> float:
    """Sharma, Wu and Dalal (Color Research and Application 2005), equations 2 to 22."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - math.sqrt(c7 / (c7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    mean = (h1 + h2) / 2 if abs(h1 - h2) <= 180 else (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2
    mean = mean if c1 * c2 else h1 + h2
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(size * math.cos(math.radians(times * mean + shift)) for size, times, shift in waves)
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / math.sqrt(20 + (lightness - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    r_c = 2 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
    r = -r_c * math.sin(math.radians(60 * math.exp(-(((mean - 275) / 25) ** 2))))
    parts = (l2 - l1) / s_l, (c2 - c1) / s_c, hue / s_h
    return math.sqrt(sum(part**2 for part in parts) + r * parts[1] * parts[2])


def test_the_difference_is_the_published_one() -> None:
    """Lines 1, 7, 17 and 25 of the table of Sharma, Wu and Dalal."""
    for one, other, wanted in (
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ):
        assert ciede2000(np.array(one), np.array(other)) == pytest.approx(wanted, abs=5e-5)
    assert lab(linear("white")) == pytest.approx([100, 0, 0], abs=0.01)


@pytest.mark.parametrize("eyes", SEEN)
def test_the_first_colours_are_far_apart_for_all_eyes(eyes: str) -> None:
    rows = list(product((f"m{n}" for n in range(len(COLOURS))), ("full", "hollow"), ("",)))
    bars = {row: style.bar["facecolor"] for row, style in styles(rows).items()}
    full, hollow = ([bars[row] for row in rows if row[1] == backbone] for backbone in ("full", "hollow"))
    assert full == list(COLOURS)
    for fills, place in ((full, 0), (hollow, 1)):
        seen = [lab(SEEN[eyes] @ linear(colour)) for colour in fills]
        for count, floors in FLOORS.items():
            least = min(ciede2000(one, other) for one, other in combinations(seen[:count], 2))
            assert least >= floors[place], f"{least:.1f} between two of the first {count}"
    assert len(COLOURS) == max(FLOORS)


def test_no_two_bars_look_the_same() -> None:
    looks = styles(product((f"m{n}" for n in range(4)), (f"b{n}" for n in range(7)), ("",)))
    assert len({tuple(style.bar.items()) for style in looks.values()}) == len(looks) == 28
    assert all(style.bar["edgecolor"] == style.colour for style in looks.values())


def contrast(one: str, other: FloatArray) -> float:
    """WCAG 2.2, "contrast ratio"."""
    dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, mpl.colors.to_hex(other)))
    return (light + 0.05) / (dark + 0.05)


def test_letters_on_any_colour_have_contrast() -> None:
    for colour in mpl.colormaps[SEQUENTIAL](np.linspace(0, 1, 256)):
        assert contrast(readable_on(colour), colour) >= 4.5


def test_the_numbers_of_a_heat_map_are_read_off() -> None:
    results = load_all(COMMITTED).results
    (axes,) = drawn("corruptions", table_of(results)).axes
    cells = axes.collections[0].get_facecolor()
    assert len(axes.texts) == len(cells) >= 100
    assert min(contrast(text.get_color(), cell) for text, cell in zip(axes.texts, cells, strict=True)) >= 4.5
    assert len({text.get_color() for text in axes.texts}) == 2


@pytest.mark.parametrize(
    ("methods", "backbones", "variants"), [(3, 12, 1), (10, 20, 1), (1, 20, 1), (1, 1, 12), (2, 3, 3), (1, 12, 3)]
)
def test_no_two_rows_look_the_same(methods: int, backbones: int, variants: int) -> None:
    grid = product(range(methods), range(backbones), range(variants))
    rows = [(f"method-{a}", f"vit-{b}", f"rank={c}" if c else "") for a, b, c in grid]
    found = styles(rows)
    assert list(found) == rows
    marks = {(style.colour, style.marker, style.face, style.fill) for style in found.values()}
    assert len(marks) == len(rows)
    if methods > 1:
        for row, style in found.items():
            assert style.colour == found[row[0], "vit-0", ""].colour, "the colour is the method's"


def test_more_rows_than_looks_are_drawn_all_the_same() -> None:
    rows = [("method", "vit", f"rank={n}") for n in range(GLYPHS + 10)]
    assert len(set(styles(rows).values())) >= GLYPHS
