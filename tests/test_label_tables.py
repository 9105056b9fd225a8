"""The label tables against what the data sets' authors define, and against each other."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.data.labels import CLASSES

HOME = Path(__file__).resolve().parents[1] / "datasets" / "labels"
TABLES: dict[str, dict[str, Any]] = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(HOME.glob("*.toml"))
}
# Every id that a data set's label files can hold, besides 255.
KNOWN = {
    "cityscapes-ids": range(34),
    "gta5-ids": range(35),
    "idd-level3": range(26),
    "mapillary-by-id": range(66),
    "mapillary-by-name": range(66),
    "synthia": range(23),
    "train-ids": range(19),
    "urbansyn": range(20),
    "wilddash2": range(81),
}
WITH_255 = {"cityscapes-ids", "idd-level3", "train-ids", "urbansyn", "wilddash2"}

MAPILLARY = """\
Bird, Ground Animal, Curb, Fence, Guard Rail, Barrier, Wall, Bike Lane, Crosswalk - Plain, Curb Cut, Parking, \
Pedestrian Area, Rail Track, Road, Service Lane, Sidewalk, Bridge, Building, Tunnel, Person, Bicyclist, \
Motorcyclist, Other Rider, Lane Marking - Crosswalk, Lane Marking - General, Mountain, Sand, Sky, Snow, Terrain, \
Vegetation, Water, Banner, Bench, Bike Rack, Billboard, Catch Basin, CCTV Camera, Fire Hydrant, Junction Box, \
Mailbox, Manhole, Phone Booth, Pothole, Street Light, Pole, Traffic Sign Frame, Utility Pole, Traffic Light, \
Traffic Sign (Back), Traffic Sign (Front), Trash Can, Bicycle, Boat, Bus, Car, Caravan, Motorcycle, On Rails, \
Other Vehicle, Trailer, Truck, Wheeled Slow, Car Mount, Ego Vehicle, Unlabeled""".split(", ")  # noqa: SIM905 - prose

# AutoNUE's helpers/anue_labels.py: level3Id -> csTrainId of each of its labels (-1: none).
IDD = {
    0: (0,),
    1: (-1, -1),
    2: (1,),
    3: (-1, 9),
    4: (11, -1),
    5: (12,),
    6: (17,),
    7: (18,),
    8: (-1,),
    9: (13,),
    10: (14,),
    11: (15,),
    12: (-1, -1, 16, -1),
    13: (-1,),
    14: (3,),
    15: (4,),
    16: (-1,),
    17: (-1,),
    18: (7,),
    19: (6,),
    20: (5, -1),
    21: (-1,),
    22: (2,),
    23: (-1, -1),
    24: (8,),
    25: (10, -1),
}

# wd2_unified_label_policy.json: the Cityscapes name of each of WildDash 2's ids above Cityscapes' own.
WILDDASH = {
    "road": (38, 41, 43, 61, 64, 70, 74, 75, 76, 79),
    "sidewalk": (52, 65, 77, 80),
    "wall": (56,),
    "pole": (45, 46),
    "terrain": (78,),
    "rider": (47, 48, 49),
    "car": (35,),
    "truck": (34,),
    "motorcycle": (58,),
}


def ids(name: str) -> dict[int, int]:
    """The scored ids of a table and their train ids."""
    return {int(raw): train_id for raw, train_id in TABLES[name]["ids"].items()}


def names(name: str) -> dict[int, set[int]]:
    """Train id -> the ids that become it."""
    return {t: {raw for raw, train_id in ids(name).items() if train_id == t} for t in range(len(CLASSES))}


def test_these_are_all_the_tables() -> None:
    assert set(TABLES) == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_table_knows_every_id_and_none_twice(name: str) -> None:
    table = TABLES[name]
    assert set(table) == {"summary", "source", "void", "ids"}
    assert table["summary"].endswith(".")
    assert all(raw == str(int(raw)) for raw in table["ids"])
    assert len(set(table["void"])) == len(table["void"])
    assert not set(table["void"]) & set(ids(name))
    assert set(table["void"]) | set(ids(name)) == set(KNOWN[name]) | ({255} if name in WITH_255 else set())
    reached = set(range(19)) - ({16} if name == "idd-level3" else set())
    assert set(ids(name).values()) == reached


def test_cityscapes_and_its_relatives() -> None:
    order = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    assert ids("cityscapes-ids") == ids("gta5-ids") == {raw: i for i, raw in enumerate(order)}
    assert ids("train-ids") == ids("urbansyn") == {i: i for i in range(19)}


def test_synthia() -> None:
    order = [
        "sky",
        "building",
        "road",
        "sidewalk",
        "fence",
        "vegetation",
        "pole",
        "car",
        "sign",
        "person",
        "bicycle",
        "motorcycle",
    ]
    short = {"traffic sign": "sign"}
    by_name = {short.get(name, name): i for i, name in enumerate(CLASSES)}
    expected = {raw: by_name[name] for raw, name in enumerate(order, 1)}
    late = {15: "traffic light", 16: "terrain", 17: "rider", 18: "truck", 19: "bus", 20: "train", 21: "wall"}
    assert ids("synthia") == expected | {raw: by_name[name] for raw, name in late.items()}


def test_mapillary_by_name_follows_the_names_of_its_classes() -> None:
    assert len(MAPILLARY) == 66
    found = {CLASSES[t]: {MAPILLARY[raw] for raw in members} for t, members in names("mapillary-by-name").items()}
    same = [
        "Building",
        "Wall",
        "Fence",
        "Vegetation",
        "Terrain",
        "Sky",
        "Person",
        "Car",
        "Truck",
        "Bus",
        "Motorcycle",
        "Bicycle",
    ]
    assert found == {
        **{name.lower(): {name} for name in same},
        "road": {n for n in MAPILLARY if n.startswith(("Lane", "Crosswalk"))}
        | {"Road", "Bike Lane", "Parking", "Service Lane"},
        "sidewalk": {"Sidewalk", "Curb", "Curb Cut", "Pedestrian Area"},
        "pole": {"Pole", "Utility Pole", "Street Light"},
        "traffic light": {"Traffic Light"},
        "traffic sign": {n for n in MAPILLARY if n.startswith("Traffic Sign")},
        "rider": {"Bicyclist", "Motorcyclist", "Other Rider"},
        "train": {"On Rails"},
    }


def test_the_two_maps_of_mapillary_differ_in_four_classes_only() -> None:
    by_name, by_id = names("mapillary-by-name"), names("mapillary-by-id")
    differ = {CLASSES[t]: (by_name[t], by_id[t]) for t in range(19) if by_name[t] != by_id[t]}
    assert differ == {
        "road": ({13, 7, 8, 10, 14, 23, 24}, {13, 24, 41}),
        "sidewalk": ({15, 2, 9, 11}, {2, 15}),
        "pole": ({45, 47, 44}, {45, 47}),
        "traffic sign": ({46, 49, 50}, {50}),
    }
    assert by_id[12] == {20, 21, 22}


def test_idd_takes_the_class_of_the_members_that_have_one() -> None:
    scored = {raw: max(members) for raw, members in IDD.items() if max(members) >= 0}
    assert scored.pop(12) == 16  # trains among caravans, trailers and other vehicles: void
    assert ids("idd-level3") == scored
    assert {raw for raw, members in IDD.items() if len(set(members)) > 1} == {3, 4, 12, 20, 25}


def test_wilddash_extends_cityscapes() -> None:
    above = {raw: CLASSES.index(name) for name, members in WILDDASH.items() for raw in members}
    assert ids("wilddash2") == ids("cityscapes-ids") | above
    assert set(TABLES["wilddash2"]["void"]) >= {i for i in TABLES["cityscapes-ids"]["void"] if i < 34}
