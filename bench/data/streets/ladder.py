"""Four weathers in five strengths each, for curves of score against strength.

All are the fourth city as `town` (strength 0) shows it, frame by frame: street, light, colours, camera and the places
of the first drops are the same; only what the strength names differs. Strength 3 has the mean level of the place that
draws its weather (`fog`, `night`, `rain`, `snow`).
"""

from dataclasses import replace

from bench.data.streets.cities import TOWN
from bench.data.streets.style import Style
from bench.data.streets.types import Range

STRENGTHS = range(1, 6)


def _fog(level: float, thicker: float = 0.0) -> Style:
    """Level as Style's; `thicker` is more extinction (1/m) than the level brings, which is up to 0.065."""
    return replace(TOWN, fog=(level, level), haze=_add(TOWN.haze, thicker))


def _night(level: float, exposure: float = 1.0) -> Style:
    """Level as Style's; what is darker than level 1 is so by the camera's `exposure`."""
    low, high = TOWN.exposure
    return replace(TOWN, night=(level, level), exposure=(low * exposure, high * exposure))


def _rain(level: float, drops: float) -> Style:
    return replace(TOWN, rain=(level, level), drops=drops)


def _snow(level: float, drops: float) -> Style:
    return replace(TOWN, snow=(level, level), drops=drops)


def _add(span: Range, more: float) -> Range:
    return span[0] + more, span[1] + more


_KINDS: dict[str, tuple[Style, ...]] = {
    "fog": (_fog(0.25), _fog(0.45), _fog(0.7), _fog(0.9, 0.01), _fog(1.0, 0.035)),
    "night": (_night(0.55), _night(0.8), _night(0.925), _night(1.0, 0.85), _night(1.0, 0.6)),
    "rain": (_rain(0.3, 0.6), _rain(0.55, 0.8), _rain(0.8, 1.0), _rain(0.9, 1.7), _rain(1.0, 3.0)),
    "snow": (_snow(0.3, 0.6), _snow(0.55, 0.8), _snow(0.8, 1.0), _snow(0.9, 1.7), _snow(1.0, 3.0)),
}
LADDER: dict[str, Style] = {
    f"{kind}-{strength}": styles[strength - 1] for kind, styles in _KINDS.items() for strength in STRENGTHS
}
"""`fog-1` to `snow-5`."""
