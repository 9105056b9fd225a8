"""The embedded image generator: street scenes from prompts, where no diffusion model is at hand.

It stands in for the diffusion model of CLOUDS (arXiv 2312.09788, section 3.2): unlabelled images of far more kinds than
the source has. A prompt's known words (words.py) steer the place, the hour, the weather and the objects; what they
leave open is drawn from the seed, from ranges far wider than any city's, in colours that need not make sense, as of
the wide world of pre-training (bench.data.streets.wild). None of the benchmark's places is used.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.streets import Domain, render_place
from bench.data.streets import ids as m
from bench.data.streets.layout import Layout
from bench.data.streets.style import Palette, Style, Swatch
from bench.data.streets.types import Range, uniform
from bench.generated.reading import read

# Part of a run's identity: any change to a painted pixel needs a new number.
VERSION = "1"

OPEN_LAYOUT = Layout(
    camera_height=(1.1, 2.4),
    focal=(1.35, 2.6),
    pitch=(-0.05, 0.07),
    lane=(2.8, 3.9),
    lanes=(1.0, 2.9),
    walk=(1.6, 6.5),
    setback=(0.0, 5.0),
    floors=(1.0, 10.0),
    plot=(5.0, 22.0),
    window=(1.1, 3.2),
)
"""Where the words say nothing of these."""
DENSITIES: dict[str, Range] = {
    "roll": (0.0, 0.02),
    "curve": (0.0, 0.005),
    "gap": (0.15, 0.45),
    "green": (0.2, 0.9),
    "verge": (0.2, 0.6),
    "trees": (0.4, 1.7),
    "conifer": (0.0, 0.6),
    "barriers": (1.2, 1.9),
    "walls": (0.7, 1.7),
    "fences": (0.8, 1.8),
    "furniture": (1.0, 1.9),
    "parked": (0.2, 0.7),
    "traffic": (0.6, 1.6),
    "people": (0.7, 1.8),
    "riders": (1.0, 2.1),
    "bicycles": (0.8, 1.8),
    "motorcycles": (0.7, 1.6),
    "heavy": (0.25, 0.5),
    "trucks": (0.5, 1.5),
    "buses": (0.5, 1.5),
    "tram": (0.25, 0.4),
    "crossing": (0.2, 0.5),
}
"""What one place has of each is drawn from here, for one image."""
OPEN_STYLE = Style(
    sun_height=(0.2, 2.4),
    sun_side=(-1.5, 1.5),
    sun=(0.1, 1.25),
    ambient=(0.45, 0.85),
    sky=((0.52, 0.64, 0.05, 0.65, 0.65, 1.0), (0.0, 1.0, 0.0, 0.2, 0.6, 1.0)),
    clouds=(0.0, 1.0),
    haze=(0.0, 0.006),
    texture=(0.3, 1.2),
    saturation=(0.5, 1.35),
    contrast=(0.75, 1.3),
    exposure=(0.75, 1.3),
    tint=0.15,
    blur=(0.0, 0.8),
    noise=(0.0, 0.035),
    vignette=(0.0, 0.5),
)
STRANGE: Range = (0.25, 0.55)  # chance, in one image, that a thing has any colour at all


class StreetsPainter:
    """Paints prompts at one size."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is height and width in pixels."""
        self.size = size

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
        """One image (H, W, 3) RGB per prompt and seed: a pure function of the two and the size, in any thread.

        Raises ValueError where there are not as many seeds as prompts.
        """
        # int: streets are drawn from a seed's repr, and that of NumPy's integers is another.
        pairs = [(prompt, int(seed)) for prompt, seed in zip(prompts, seeds, strict=True)]
        return [render_place(place(prompt, seed), seed, *self.size).image for prompt, seed in pairs]


def place(prompt: str, seed: int) -> Domain:
    """Where the image of a prompt and a seed is taken. The same seed draws the same for what the words leave open."""
    rng = Random(f"place {seed}")
    layout: dict[str, Any] = {name: uniform(rng, span) for name, span in DENSITIES.items()}
    palette = _colours(rng)
    style: dict[str, Any] = {"strange": uniform(rng, STRANGE)}
    said = read(prompt)
    for meaning in said.meanings:
        layout |= meaning.layout
        layout |= {name: factor * layout[name] for name, factor in meaning.times.items()}
        style |= meaning.style
        palette |= meaning.palette
    palette |= said.colours
    return Domain("generated", prompt, replace(OPEN_LAYOUT, **layout), replace(OPEN_STYLE, **style, palette=palette))


def _colours(rng: Random) -> Palette:
    """What the materials of one image look like where no word says it: two or three colours for the houses."""
    houses = tuple(_around(rng, 0.7) for _ in range(2 + int(2 * rng.random())))
    road = rng.random()
    return {
        m.M_FACADE: houses,
        m.M_WALL: (_around(rng, 0.4),),
        m.M_ROAD: ((road, road + 0.1, 0.0, 0.14, 0.16, 0.55),),
        m.M_WALK: ((0.03, 0.16, 0.0, 0.3, 0.35, 0.75),),
        m.M_LEAF: ((0.12, 0.36, 0.2, 0.75, 0.18, 0.5),),
        m.M_TERRAIN: ((0.07, 0.34, 0.2, 0.7, 0.25, 0.55),),
    }


def _around(rng: Random, saturation: float) -> Swatch:
    """Shades of one colour that is at most so saturated."""
    hue, strength, value = rng.random(), saturation * rng.random(), 0.25 + 0.55 * rng.random()
    return hue, hue + 0.06, strength, min(1.0, strength + 0.15), value, min(1.0, value + 0.2)
