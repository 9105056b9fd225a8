"""The captioned corpus: photographs of the wide world's streets, each with the scene graph its captions come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.streets import WORLD_VERSION, render
from bench.data.streets import graph as scene_graph
from bench.data.streets.graph import LABEL, TALL, WIDE, Graph, X, Y
from bench.models.minis.captions import Box, caption, cut, phrase, weather_word
from bench.models.minis.corpus import photometric, tensor

HEIGHT, WIDTH = 128, 256
CHUNK = 250  # streets a file
HELD_OUT = 1_000_000  # first street of those that training never sees
REGIONS = 6  # places of single things a crop
SMALL = 5.0  # pixels of a crop: smaller things are not told alone


class Photographs(NamedTuple):
    """N photographs and their scene graphs."""

    images: NDArray[np.uint8]  # (N, HEIGHT, WIDTH, 3)
    graphs: list[Graph]


class Pairs(NamedTuple):
    """A batch of crops with their captions, and single things in them with theirs."""

    images: Tensor  # (B, 3, H, W) RGB in [0, 1]
    texts: list[str]  # B captions
    owner: Tensor  # (R,) int64: which crop a thing is in
    places: Tensor  # (R, 2) x and y as shares of the crop
    kinds: Tensor  # (R,) int64: things of one kind may share their words
    phrases: list[str]  # R short texts
    hues: list[str]  # R colours that the phrases tell, empty where none


def photograph(street: int, wear: int) -> tuple[NDArray[np.uint8], Graph]:
    """One image (HEIGHT, WIDTH, 3) and its scene graph; nothing else of what is rendered is kept."""
    image = render("wild", street, HEIGHT, WIDTH, wear=wear).image
    return image, scene_graph.describe("wild", street, wear=wear, aspect=HEIGHT / WIDTH)


def load(
    streets: int, wears: int, cache: Path, tick: Callable[[int], None] = lambda _: None, first: int = 0
) -> Photographs:
    """Photographs of `streets` streets from `first` on, `wears` of each, made in chunks or read from `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    images: list[NDArray[np.uint8]] = []
    graphs: list[Graph] = []
    for start in range(first, first + streets, CHUNK):
        stop = min(start + CHUNK, first + streets)
        path = cache / f"pairs{WORLD_VERSION}-{wears}x{start:07d}-{stop:07d}.npz"
        if not path.exists():
            made = [photograph(street, wear) for street in range(start, stop) for wear in range(wears)]
            _write(path, made)
        chunk = _read(path)
        images.append(chunk.images)
        graphs += chunk.graphs
        tick(stop - first)
    return Photographs(np.concatenate(images), graphs)


def _write(path: Path, made: list[tuple[NDArray[np.uint8], Graph]]) -> None:
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        images=np.stack([image for image, _ in made]),
        things=np.concatenate([graph.things for _, graph in made]),
        counts=np.array([len(graph.things) for _, graph in made]),
        weather=np.stack([graph.weather for _, graph in made]),
    )
    part.rename(path)


def _read(path: Path) -> Photographs:
    with np.load(path) as held:
        things = np.split(held["things"], np.cumsum(held["counts"])[:-1])
        return Photographs(held["images"], [Graph(*pair) for pair in zip(things, held["weather"], strict=True)])


def draw(
    photographs: Photographs,
    batch: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    strength: float = 0.6,
    chosen: NDArray[np.int64] | None = None,
) -> Pairs:
    """Random crops (or of the photographs `chosen`), at a random scale, half of them mirrored, and their texts."""
    height, width = size
    crops = np.empty((batch, height, width, 3), np.float32)
    texts, told = [], []
    indices = rng.integers(0, len(photographs.images), batch) if chosen is None else chosen
    for k, index in enumerate(indices):
        scale = float(np.exp(rng.uniform(np.log(0.55), np.log(1.25))))
        h, w = min(HEIGHT, round(height / scale)), min(WIDTH, round(width / scale))
        top, left = int(rng.integers(0, HEIGHT - h + 1)), int(rng.integers(0, WIDTH - w + 1))
        mirror = bool(rng.random() < 0.5)
        view = photographs.images[index, top : top + h, left : left + w]
        crops[k] = cv2.resize(view[:, ::-1] if mirror else view, (width, height), interpolation=cv2.INTER_AREA)
        box = Box(left / WIDTH, top / HEIGHT, (left + w) / WIDTH, (top + h) / HEIGHT)
        graph = cut(photographs.graphs[index], box, mirror=mirror)
        texts.append(caption(graph, rng))
        told += [(k, *thing) for thing in regions(graph, size, rng)]
    images = tensor(photometric(crops, rng, strength))
    owner, places, kinds, phrases, hues = zip(*told, strict=True) if told else ((), (), (), (), ())
    return Pairs(
        images,
        texts,
        torch.tensor(owner, dtype=torch.int64),
        torch.tensor(np.array(places, np.float32).reshape(-1, 2)),
        torch.tensor(kinds, dtype=torch.int64),
        list(phrases),
        list(hues),
    )


def regions(
    graph: Graph, size: tuple[int, int], rng: np.random.Generator
) -> list[tuple[NDArray[np.float32], int, str, str]]:
    """Up to REGIONS things of a cut graph, rare classes likelier: place, class, words, and the colour they tell."""
    things = graph.things
    things = things[np.minimum(things[:, WIDE] * size[1], things[:, TALL] * size[0] * 2.0) > SMALL]
    if not len(things):
        return []
    labels = things[:, LABEL].astype(int)
    weight = 1.0 / np.bincount(labels)[labels]
    chosen = rng.choice(len(things), min(REGIONS, len(things)), replace=False, p=weight / weight.sum())
    dark = weather_word(graph) == "night"
    return [(things[k, [X, Y]], int(labels[k]), *phrase(things[k], rng, dark=dark)) for k in chosen]
