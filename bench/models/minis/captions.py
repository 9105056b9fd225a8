"""Captions written from scene graphs, as people write them of photographs: some of what is there, where, when.

The words come from the scene graph (bench.data.streets.graph), of which a crop holds the things whose place lies in it.
"""

from __future__ import annotations

import colorsys
import re
from typing import NamedTuple

import numpy as np

from bench.data.streets import ids as m
from bench.data.streets.graph import (
    BLUE,
    DEPTH,
    HIGH,
    LABEL,
    LOW,
    ON_BICYCLE,
    ON_MOTORCYCLE,
    RED,
    SORT,
    TALL,
    USUAL,
    WIDE,
    Graph,
    X,
    Y,
)
from bench.data.streets.types import Array

NAMES: dict[int, tuple[str, ...]] = {
    m.ROAD: ("road", "street"),
    m.SIDEWALK: ("sidewalk", "pavement"),
    m.BUILDING: ("building",),
    m.WALL: ("wall",),
    m.FENCE: ("fence",),
    m.POLE: ("pole",),
    m.LIGHT: ("traffic light",),
    m.SIGN: ("traffic sign", "sign"),
    m.VEGETATION: ("vegetation",),
    m.TERRAIN: ("terrain", "grass"),
    m.SKY_CLASS: ("sky",),
    m.PERSON: ("person", "pedestrian"),
    m.RIDER: ("rider",),
    m.CAR: ("car",),
    m.TRUCK: ("truck", "lorry"),
    m.BUS: ("bus",),
    m.TRAIN: ("train", "tram"),
    m.MOTORCYCLE: ("motorcycle", "motorbike"),
    m.BICYCLE: ("bicycle", "bike"),
}
"""What a class is called; the first word is the data sets' own."""
SORTS: dict[tuple[int, int], str] = {
    (m.VEGETATION, USUAL): "tree",
    (m.VEGETATION, LOW): "bush",
    (m.BUILDING, LOW): "house",
    (m.BUILDING, HIGH): "tower",
    (m.RIDER, ON_BICYCLE): "cyclist",
    (m.RIDER, ON_MOTORCYCLE): "motorcyclist",
}
STUFF = (m.ROAD, m.SIDEWALK, m.TERRAIN, m.SKY_CLASS)
UNCOUNTED = ("vegetation", "terrain", "grass", "sky")
IRREGULAR = {"person": "people", "bus": "buses", "bush": "bushes", "lorry": "lorries"}
DRESSED = (m.PERSON, m.RIDER)  # a colour is that of their clothes
COLOURLESS = (m.POLE, m.LIGHT, m.SIGN, m.SKY_CLASS)
HUES = (("red", 0.04), ("orange", 0.11), ("yellow", 0.19), ("green", 0.45), ("blue", 0.71), ("purple", 0.86))
GREYS = ("black", "dark", "grey", "white")
COUNTS = ("a", "two", "three", "many")
OPENINGS = ("a photo of", "a picture of", "a street with", "there is", "a scene with", "")
WHEN = {
    "night": ("at night", "in the dark"),
    "rain": ("in the rain", "on a rainy day"),
    "snow": ("in the snow", "on a snowy day"),
    "fog": ("in fog", "on a foggy day"),
    "sun": ("in sunlight", "on a sunny day"),
    "dull": ("on a cloudy day", "in grey light"),
}
LEFT, MIDDLE, RIGHT = "on the left", "in the middle", "on the right"
NEAR, FAR = "nearby", "far away"
SPECIAL = ("<pad>", "<start>", "<unk>")
FURTHER = "image the by"
"""Words that no caption here needs but prompts may use."""


class Box(NamedTuple):
    """A part of a frame, as shares of its width and height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


def cut(graph: Graph, box: Box, *, mirror: bool = False) -> Graph:
    """What of a scene graph is told of a crop: things whose place lies in it, which become shares of the crop."""
    things = graph.things[
        (graph.things[:, X] >= box.left)
        & (graph.things[:, X] < box.right)
        & (graph.things[:, Y] >= box.top)
        & (graph.things[:, Y] < box.bottom)
    ].copy()
    things[:, [X, Y]] = (things[:, [X, Y]] - box[:2]) / (box.right - box.left, box.bottom - box.top)
    things[:, [WIDE, TALL]] /= (box.right - box.left, box.bottom - box.top)
    if mirror:
        things[:, X] = 1.0 - things[:, X]
    return Graph(things, graph.weather)


def caption(graph: Graph, rng: np.random.Generator, most: int = 5) -> str:
    """One caption of a (cut) scene graph: up to `most` kinds of things, larger ones likelier, and maybe the weather."""
    parts = [_group(group, graph, rng) for group in _chosen(graph.things, rng, most)]
    words = OPENINGS[int(rng.integers(len(OPENINGS)))]
    told = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else ""
    when = rng.random() < 0.6 or not parts
    if not parts:
        words = "a photo"
    elif words == "there is" and parts[0].startswith(COUNTS[1:]):
        words = "there are"
    return " ".join(piece for piece in (words, told, _when(graph, rng) if when else "") if piece)


def phrase(thing: Array, rng: np.random.Generator, *, dark: bool) -> tuple[str, str]:
    """Words for a single thing (COLUMNS,) and the colour that is among them, empty where none is told."""
    label = int(thing[LABEL])
    noun = _noun(label, int(thing[SORT]), rng)
    hue = "" if dark or label in COLOURLESS or rng.random() < 0.6 else colour_word(thing[RED : BLUE + 1])
    article = "" if noun in UNCOUNTED else "a"
    return _with_colour(label, noun, hue, article), hue


def colour_word(rgb: Array) -> str:
    """The word for a colour, red, green and blue in 0..1."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(c) for c in rgb))
    if value < 0.15:
        return "black"
    if saturation < 0.2:
        return "white" if value > 0.7 else "grey" if value > 0.3 else "dark"
    name = next((word for word, end in HUES if hue < end), "pink" if hue < 0.96 else "red")
    return "brown" if name == "orange" and value < 0.55 else name


def weather_word(graph: Graph) -> str:
    """A key of WHEN: the most telling thing about hour and weather."""
    night, rain, snow, sun, haze = (float(level) for level in graph.weather)
    levels = {"night": night > 0.3, "rain": rain > 0.15, "snow": snow > 0.15, "fog": haze > 0.02, "sun": sun > 0.4}
    return next((word for word, there in levels.items() if there), "dull")


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, without punctuation."""
    return re.findall(r"[a-z]+", text.lower())


def vocabulary() -> list[str]:
    """All words of all captions, after SPECIAL, in alphabetical order."""
    nouns = [noun for names in NAMES.values() for noun in names] + list(SORTS.values())
    texts = [*nouns, *(_plural(noun) for noun in nouns), *OPENINGS, *COUNTS, *GREYS, *(word for word, _ in HUES)]
    texts += [text for pair in WHEN.values() for text in pair]
    texts += [LEFT, MIDDLE, RIGHT, NEAR, FAR, FURTHER, "brown pink in and a an photo there are"]
    return [*SPECIAL, *sorted({word for text in texts for word in words_of(text)})]


def _chosen(things: Array, rng: np.random.Generator, most: int) -> list[Array]:
    """Groups of things that are told together: one class and sort each."""
    tall = np.where(np.isin(things[:, LABEL], STUFF), 0.3, things[:, TALL])
    things = things[tall > 0.06]
    kinds = sorted({(int(label), int(sort)) for label, sort in things[:, [LABEL, SORT]]})
    if not kinds:
        return []
    groups = [things[(things[:, LABEL] == label) & (things[:, SORT] == sort)] for label, sort in kinds]
    weight = np.array([0.15 if group[0, LABEL] in STUFF else np.sqrt(group[:, TALL].max()) for group in groups])
    count = min(len(groups), int(rng.integers(1, most + 1)))
    return [groups[k] for k in rng.choice(len(groups), count, replace=False, p=weight / weight.sum())]


def _group(group: Array, graph: Graph, rng: np.random.Generator) -> str:
    """Words for things of one class and sort: how many, what colour, where."""
    label, sort = int(group[0, LABEL]), int(group[0, SORT])
    noun = _noun(label, sort, rng)
    if label in STUFF or noun in UNCOUNTED:
        one, article = group[0], "" if noun in UNCOUNTED else "a"
    elif rng.random() < 0.5:
        one, article = group[int(group[:, TALL].argmax())], "a"  # the largest alone
    else:
        one, article = group[int(group[:, TALL].argmax())], COUNTS[min(len(group), len(COUNTS)) - 1]
    several = article not in ("a", "")
    hue = ""
    if not several and label not in COLOURLESS and weather_word(graph) != "night" and rng.random() < 0.5:
        hue = colour_word(one[RED : BLUE + 1])
    words = _with_colour(label, _plural(noun) if several else noun, hue, article)
    if label not in STUFF and not several:
        words += _where(one, rng)
    return words


def _where(thing: Array, rng: np.random.Generator) -> str:
    pick = rng.random()
    if pick < 0.5:
        return f" {LEFT if thing[X] < 0.36 else RIGHT if thing[X] > 0.64 else MIDDLE}"
    if pick < 0.75 and (thing[DEPTH] < 10.0 or thing[DEPTH] > 30.0):
        return f" {NEAR if thing[DEPTH] < 10.0 else FAR}"
    return ""


def _noun(label: int, sort: int, rng: np.random.Generator) -> str:
    own = SORTS.get((label, sort))
    if own is not None and rng.random() < 0.5:
        return own
    return NAMES[label][int(rng.integers(len(NAMES[label])))]


def _with_colour(label: int, noun: str, hue: str, article: str) -> str:
    if hue and label in DRESSED:
        return f"{article} {noun} in {hue}"
    article = "an" if article == "a" and hue.startswith("o") else article
    return " ".join(word for word in (article, hue, noun) if word)


def _plural(noun: str) -> str:
    return noun if noun in UNCOUNTED else IRREGULAR.get(noun, f"{noun}s")


def _when(graph: Graph, rng: np.random.Generator) -> str:
    ways = WHEN[weather_word(graph)]
    return ways[int(rng.integers(len(ways)))]
