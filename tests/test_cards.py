"""The cards of published data sets and the label tables: their schema, and what they find in trees like the real ones.

The matcher here is a second, small implementation of what the reader does, so that the cards are tested by themselves.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import cv2
import fake_data
import numpy as np
import pytest
import scipy.io
from fake_data.draw import Array, Pairs
from PIL import Image

HOME = Path(__file__).resolve().parents[1] / "datasets"
CARDS: dict[str, dict[str, Any]] = {
    path.stem: card
    for path in sorted(HOME.glob("*.toml"))
    if (card := tomllib.loads(path.read_text(encoding="utf-8"))).get("kind") == "files"
}
TABLES: dict[str, dict[str, Any]] = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((HOME / "labels").glob("*.toml"))
}
DECODERS = {"grey", "palette", "synthia", "red"}
REQUIRED = {"name": str, "summary": str, "kind": str, "family": str, "split": str, "folders": list, "source": str}
REQUIRED |= {"licence": str, "layouts": list}
OPTIONAL = {"count": int, "size": list, "table": str, "decoder": str, "notes": str, "part": dict, "submission": dict}
OPTIONAL |= {"within": str, "defects": str}
LAYOUT = {"name", "images", "labels", "anomaly", "anomaly_table", "table", "decoder", "list", "list_key"}
# The published sizes; no card may contradict one, and those that were not found in print are absent.
COUNTS = {
    "gta5": 24966,
    "gta5-train": 12403,
    "gta5-val": 6382,
    "gta5-test": 6181,
    "synthia": 9400,
    "urbansyn": 7539,
    "cityscapes-train": 2975,
    "cityscapes-val": 500,
    "bdd100k-train": 7000,
    "bdd100k-val": 1000,
    "mapillary-train": 18000,
    "mapillary-val": 2000,
    "mapillary-val-by-id": 2000,
    "acdc-train": 1600,
    "acdc-fog-val": 100,
    "acdc-night-val": 106,
    "acdc-rain-val": 100,
    "acdc-snow-val": 100,
    "acdc-test": 2000,
    "dark-zurich-val": 50,
    "nighttime-driving-test": 50,
    "foggy-zurich-test": 40,
    "foggy-driving-test": 101,
    "foggy-cityscapes-005-val": 500,
    "muses-val": 250,
    "wilddash2": 4256,
}


def patterns(value: str | list[str] | None) -> list[str]:
    """One pattern or several, as a list."""
    return [] if value is None else [value] if isinstance(value, str) else value


def find(home: Path, pattern: str) -> dict[str, tuple[str, ...]]:
    """Files below `home` that match, relative to it, with what the stars stand for; a star never crosses a slash."""
    expression = re.compile("([^/]*)".join(re.escape(piece) for piece in pattern.split("*")))
    names = (path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    return {name: match.groups() for name in names if (match := expression.fullmatch(name))}


def fill(pattern: str, stars: tuple[str, ...]) -> str:
    """The pattern with its stars replaced, in order."""
    pieces = pattern.split("*")
    return pieces[0] + "".join(star + piece for star, piece in zip(stars, pieces[1:], strict=True))


def listed(home: Path, layout: dict[str, Any], image: str) -> bool:
    """Whether the layout's list, if it has one, names the image."""
    if "list" not in layout:
        return True
    path, stem = home / layout["list"], image.rsplit(".", 1)[0]
    if path.suffix == ".mat":
        lists, number = scipy.io.loadmat(path), int(stem.rsplit("/", 1)[-1])
        return any(number in lists[key].ravel() for key in layout["list_key"].split())
    entries = [line.split()[0] for line in path.read_text().splitlines() if line.strip() and line[0] != "#"]
    return any(f"/{name}".endswith(f"/{entry}") for entry in entries for name in (image, stem))


def match(root: Path, card: dict[str, Any], target: str = "labels") -> Pairs:
    """Images of the card with their `target` files: those of the first layout whose images and targets are there."""
    home = next(home for folder in card["folders"] if (home := root / folder).is_dir())
    for layout in card["layouts"]:
        targets = patterns(layout.get(target)) or [None] * len(patterns(layout["images"]))
        pairs = sorted(
            (image, fill(other, stars) if other else None)
            for pattern, other in zip(patterns(layout["images"]), targets, strict=True)
            for image, stars in find(home, pattern).items()
            if listed(home, layout, image)
        )
        if pairs and any(other is None or (home / other).is_file() for _, other in pairs):
            part = card.get("part", {"of": 1, "keep": [0]})
            return [pair for i, pair in enumerate(pairs) if i % part["of"] in part["keep"]]
    return []


def decode(path: Path, decoder: str) -> Array:
    """The ids that a label file stores."""
    if decoder == "palette":
        with Image.open(path) as image:
            assert image.mode == "P"
            return np.asarray(image)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if decoder == "synthia":
        assert pixels.dtype == np.uint16
        return pixels[..., 2].astype(np.uint8)
    assert (pixels.dtype, pixels.ndim) == (np.uint8, 2)
    return pixels


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with every data set in it."""
    root = tmp_path_factory.mktemp("data")
    fake_data.make_all(root)
    return root


def test_there_is_a_fake_tree_of_every_card_and_a_card_for_every_fake_set() -> None:
    assert set(CARDS) == set(fake_data.EXPECTED)
    assert {name: card["family"] for name, card in CARDS.items()} == fake_data.FAMILY_OF
    for family, name in fake_data.LAYOUTS:
        assert set(fake_data.LAYOUTS[family, name].expected) <= set(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_card_has_the_keys_of_the_schema(name: str) -> None:
    card = CARDS[name]
    assert card["name"] == name
    assert set(REQUIRED) <= set(card) <= set(REQUIRED) | set(OPTIONAL)
    for key, value in card.items():
        assert isinstance(value, (REQUIRED | OPTIONAL)[key])
    assert all(isinstance(n, int) and n > 0 for n in [card.get("count", 1), *card.get("size", [1, 1])])
    assert len(card.get("size", [1, 1])) == 2
    assert card["summary"].endswith(".")
    assert card["folders"]
    assert not any(folder.startswith("/") or ".." in folder or "*" in folder for folder in card["folders"])
    assert ("table" in card) == ("decoder" in card) == any("labels" in layout for layout in card["layouts"])
    if "part" in card:
        assert set(card["part"]) == {"of", "keep"}
        assert sorted(set(card["part"]["keep"])) == card["part"]["keep"]
        assert set(card["part"]["keep"]) < set(range(card["part"]["of"]))


@pytest.mark.parametrize("name", CARDS)
def test_layouts_pair_their_patterns(name: str) -> None:
    card = CARDS[name]
    names = [layout["name"] for layout in card["layouts"]]
    assert len(set(names)) == len(names) > 0
    for layout in card["layouts"]:
        assert {"name", "images"} <= set(layout) <= LAYOUT
        assert layout.get("table", card.get("table", "train-ids")) in TABLES
        assert layout.get("decoder", card.get("decoder", "grey")) in DECODERS
        assert ("list_key" in layout) == layout.get("list", "").endswith(".mat")
        images = patterns(layout["images"])
        assert len(set(images)) == len(images)
        for key in ("images", "labels", "anomaly", "list"):
            for pattern in patterns(layout.get(key)):
                assert not pattern.startswith("/")
                assert not {"..", "", "**"} & set(pattern.split("/"))
                assert not set(pattern) & set("[]{}?\\")
        for key in ("labels", "anomaly"):
            others = patterns(layout.get(key)) or images
            assert [p.count("*") for p in others] == [p.count("*") for p in images]
    if "submission" in card:
        assert set(card["submission"]) == {"file", "ids"}
        assert card["submission"]["ids"] in ("cityscapes-ids", "train-ids")
        assert card["submission"]["file"].count("*") == patterns(card["layouts"][0]["images"])[0].count("*")


def test_counts_are_the_published_ones_and_parts_of_them() -> None:
    for name, count in COUNTS.items():
        assert CARDS[name]["count"] == count
    for name, card in CARDS.items():
        if "part" in card:
            parts = {"cityscapes-train-16th": "cityscapes-train", "gta5-held-out": "gta5-val"}
            whole = parts.get(name, name.rsplit("-", 1)[0])
            kept = [i for i in range(COUNTS[whole]) if i % card["part"]["of"] in card["part"]["keep"]]
            assert card["count"] == len(kept)
    assert (
        sum(CARDS[f"acdc-{c}-test"]["count"] for c in ("fog", "night", "rain", "snow")) == CARDS["acdc-test"]["count"]
    )
    muses = [card["count"] for name, card in CARDS.items() if name.startswith("muses-") and name != "muses-val"]
    assert len(muses) == 8
    assert sum(muses) == CARDS["muses-val"]["count"]
    assert sum(CARDS[f"gta5-{split}"]["count"] for split in ("train", "val", "test")) == CARDS["gta5"]["count"]
    assert CARDS["gta5-fit"]["count"] == CARDS["gta5-train"]["count"] + CARDS["gta5-test"]["count"]


@pytest.mark.parametrize("name", CARDS)
def test_card_finds_its_images_and_labels(name: str, tree: Path) -> None:
    found = match(tree, CARDS[name])
    assert found == fake_data.EXPECTED[name]
    assert found == sorted(found)
    home = tree / fake_data.FOLDERS[name]
    assert all((home / file).is_file() for pair in found for file in pair if file)


@pytest.mark.parametrize(("family", "variant"), fake_data.LAYOUTS)
def test_card_finds_the_other_shapes_of_a_data_set(family: str, variant: str, tmp_path: Path) -> None:
    layout = fake_data.LAYOUTS[family, variant]
    layout.make(tmp_path)
    for name, expected in layout.expected.items():
        assert match(tmp_path, CARDS[name]) == expected, name
        assert all((tmp_path / layout.folder / file).is_file() for pair in expected for file in pair if file)


def test_parts_of_a_set_share_no_image_and_make_it_up() -> None:
    for whole in ("synthia", "urbansyn"):
        parts = [fake_data.EXPECTED[f"{whole}-{part}"] for part in ("fit", "val")]
        assert sorted(parts[0] + parts[1]) == fake_data.EXPECTED[whole]
    splits = [pair for split in ("train", "val", "test") for pair in fake_data.EXPECTED[f"gta5-{split}"]]
    assert sorted(splits) == fake_data.EXPECTED["gta5"]


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if "table" in card])
def test_table_and_decoder_give_the_train_ids(name: str, tree: Path) -> None:
    table = TABLES[CARDS[name]["table"]]
    lookup = np.full(256, 100, np.uint8)
    lookup[table["void"]] = 255
    for raw, train_id in table["ids"].items():
        lookup[int(raw)] = train_id
    for image, label in fake_data.EXPECTED[name]:
        ids = decode(tree / fake_data.FOLDERS[name] / str(label), CARDS[name]["decoder"])
        assert len(set(np.unique(ids)) & set(table["void"])) > (1 if len(table["void"]) > 3 else 0)
        np.testing.assert_array_equal(lookup[ids], fake_data.train_ids(name, image))
        shown = cv2.imread(str(tree / fake_data.FOLDERS[name] / image))
        assert shown.shape[:2] == ids.shape


@pytest.mark.parametrize("name", fake_data.ANOMALIES)
def test_anomaly_masks_hold_what_the_schema_says(name: str, tree: Path) -> None:
    found = [mask for _, mask in match(tree, CARDS[name], "anomaly")]
    assert found == fake_data.ANOMALIES[name]
    for mask in found:
        values = set(np.unique(decode(tree / fake_data.FOLDERS[name] / str(mask), "grey")))
        assert {0, 1} <= values <= {0, 1, 255}


def test_other_cards_have_no_anomaly_masks() -> None:
    with_masks = {name for name, card in CARDS.items() if any("anomaly" in layout for layout in card["layouts"])}
    assert with_masks == set(fake_data.ANOMALIES)
