"""Tiny trees with the real layout, names and encodings of every published data set, written from their documentation.

Nothing here looks at the cards, so that a mistake in a card shows. A family's module has

* `FOLDER`: its folder below the data root, where `make(root)` writes it as its own archives unpack;
* `EXPECTED`: card -> images and label files, relative to that folder, in the order of the set;
* `VARIANTS`: other shapes in which people keep it -> (folder, expected), written by `make(root, variant)`;
* `train_ids(image)`: what the labels of an image say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fake_data import (
    acdc,
    bdd100k,
    bravo,
    cityscapes,
    dark_zurich,
    foggy_cityscapes,
    foggy_driving,
    foggy_zurich,
    gta5,
    idd,
    mapillary,
    muses,
    nighttime_driving,
    rainy_cityscapes,
    synthia,
    urbansyn,
    wilddash2,
)
from fake_data.draw import Array, Pairs

FAMILIES: dict[str, ModuleType] = {
    "gta5": gta5,
    "synthia": synthia,
    "urbansyn": urbansyn,
    "cityscapes": cityscapes,
    "foggy-cityscapes": foggy_cityscapes,
    "rainy-cityscapes": rainy_cityscapes,
    "bdd100k": bdd100k,
    "mapillary": mapillary,
    "acdc": acdc,
    "dark-zurich": dark_zurich,
    "nighttime-driving": nighttime_driving,
    "foggy-zurich": foggy_zurich,
    "foggy-driving": foggy_driving,
    "idd": idd,
    "wilddash2": wilddash2,
    "muses": muses,
    "bravo": bravo,
}


class Layout(NamedTuple):
    """One way in which a family lies on disk."""

    folder: str
    """Its folder below the data root."""
    expected: dict[str, Pairs]
    """Card -> images and label files, relative to the folder."""
    make: Callable[[Path], None]
    """Writes the folder below a data root."""


def _variant(module: ModuleType, name: str) -> Layout:
    folder, expected = module.VARIANTS[name]
    return Layout(folder, expected, lambda root: module.make(root, name))


FAMILY_OF: dict[str, str] = {card: family for family, module in FAMILIES.items() for card in module.EXPECTED}
FOLDERS: dict[str, str] = {card: FAMILIES[family].FOLDER for card, family in FAMILY_OF.items()}
EXPECTED: dict[str, Pairs] = {card: pairs for module in FAMILIES.values() for card, pairs in module.EXPECTED.items()}
ANOMALIES: dict[str, list[str]] = bravo.ANOMALIES
LAYOUTS: dict[tuple[str, str], Layout] = {
    (family, name): _variant(module, name) for family, module in FAMILIES.items() for name in module.VARIANTS
}


def make_all(root: Path) -> None:
    """Every family below the data root `root`, each as its own archives unpack."""
    for module in FAMILIES.values():
        module.make(root)


def train_ids(card: str, image: str) -> Array:
    """The label map (height, width) that a card's image must have: train ids, 255 ignored."""
    if card == "mapillary-val-by-id":
        return mapillary.train_ids(image, by="id")
    labels: Array = FAMILIES[FAMILY_OF[card]].train_ids(image)
    return labels
