"""Data sets of files: every card over its fake tree, every layout, and what is said when something is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import fake_data
import numpy as np
import pytest
from trees import label_of

from bench.data import cards, tables
from bench.data.cards import FilesCard, load_files_card
from bench.data.check import check, write_exclude_list
from bench.data.convert import halve, has_copy
from bench.data.layouts import locate, require_usable
from bench.data.reader import open_dataset
from bench.data.roots import places, user_file_path
from bench.errors import DamagedFile, DatasetNotFound, UserError
from bench.resolve import resolve

FILES = [name for name in cards.names() if isinstance(cards.load_card(name), FilesCard)]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with every data set as its own archives unpack. Not to be changed."""
    root = tmp_path_factory.mktemp("official")
    fake_data.make_all(root)
    return root


pytestmark = pytest.mark.usefixtures("fake_cards")


@pytest.mark.parametrize("name", FILES)
def test_every_card_reads_its_official_tree(name: str, official: Path) -> None:
    card = load_files_card(name)
    found = require_usable(card, official)
    expected = fake_data.EXPECTED[name]
    relative = [str(item.image.relative_to(found.folder)) for item in found.items]
    assert sorted(relative) == sorted(image for image, _ in expected)
    opened = open_dataset(name, data_root=official)
    assert opened.names == sorted(opened.names)
    assert not opened.keep
    for index, path in enumerate(relative):
        image, label, _, anomaly = opened[index]
        assert image.dtype == label.dtype == np.uint8
        assert image.shape == (*label.shape, 3)
        truth = fake_data.train_ids(name, path)
        if found.layout.labels:
            np.testing.assert_array_equal(label, truth)
        else:
            assert (label == 255).all()
        assert (anomaly is None) == (not found.layout.anomaly)


@pytest.mark.parametrize(("family", "variant"), sorted(fake_data.LAYOUTS))
def test_every_other_layout_says_the_same(family: str, variant: str, tmp_path: Path) -> None:
    layout = fake_data.LAYOUTS[family, variant]
    layout.make(tmp_path)
    for name, expected in layout.expected.items():
        opened = open_dataset(name, data_root=tmp_path)
        assert len(opened) == len(expected)
        found = require_usable(load_files_card(name), tmp_path)
        for index, item in enumerate(found.items):
            path = str(item.image.relative_to(found.folder))
            truth = fake_data.train_ids(name, path) if found.layout.labels else np.full_like(opened[index].label, 255)
            np.testing.assert_array_equal(opened[index].label, truth)


def test_names_do_not_depend_on_the_layout(official: Path, tmp_path: Path) -> None:
    for family in ("gta5", "synthia", "cityscapes"):
        for (other, _), layout in fake_data.LAYOUTS.items():
            if other == family:
                root = tmp_path / family
                layout.make(root)
                for name in layout.expected:
                    here, there = (open_dataset(name, data_root=place) for place in (official, root))
                    assert here.file_list_hash() == there.file_list_hash()
                shutil.rmtree(root)


def test_the_real_cards_want_the_complete_set(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    card = load_files_card("cityscapes-val")
    assert card.count == 500
    with pytest.raises(DatasetNotFound, match="4 images where the complete set has 500"):
        open_dataset("cityscapes-val", data_root=official)
    result = check("cityscapes-val", official)
    assert not result.usable
    assert any("2048 x 1024" in problem.what for problem in result.problems)


def test_the_exclude_list_is_written_followed_and_part_of_the_identity(city: Path) -> None:
    before = cards.revision(cards.load_card("cityscapes-val"))
    path = label_of(city, "cityscapes-val")
    cv2.imwrite(str(path), np.full((48, 96), 77, np.uint8))
    result = check("cityscapes-val", city, full=True)
    assert list(result.damaged) == ["frankfurt/frankfurt_000000_000294"]
    written = write_exclude_list(result)
    assert written.read_text().startswith("frankfurt/frankfurt_000000_000294 # ")
    after = check("cityscapes-val", city, full=True)
    assert after.usable
    assert (after.left_out, after.images) == (1, result.images - 1)
    assert len(open_dataset("cityscapes-val", data_root=city)) == result.images - 1
    assert cards.revision(cards.load_card("cityscapes-val")) != before
    spec = resolve("rein", "eva02", "city2bm", sets=["weights=random"])
    assert spec.data["cityscapes-val"] != before


def test_where_data_sets_are_looked_for(
    city: Path, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = load_files_card("cityscapes-val")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(DatasetNotFound, match=r"--data-root, DGSS_BENCH_CITYSCAPES or .*data\.toml; get it from"):
        locate(card)
    user_file_path().parent.mkdir(parents=True)
    user_file_path().write_text(f'root = "{official}"\n')
    assert locate(card).told_by == str(user_file_path())
    monkeypatch.setenv("DGSS_BENCH_DATA", str(city))
    assert locate(card).told_by == "DGSS_BENCH_DATA"
    user_file_path().write_text(f'[folders]\ncityscapes = "{official / "cityscapes"}"\n')
    assert locate(card).folder == official / "cityscapes"
    monkeypatch.setenv("DGSS_BENCH_CITYSCAPES", str(city / "cityscapes"))
    assert locate(card).told_by == "DGSS_BENCH_CITYSCAPES"
    assert locate(card, official).told_by == "--data-root"
    with pytest.raises(UserError, match="there is no such folder"):
        places(card, tmp_path / "nowhere")
    user_file_path().write_text("rooot = 1\n")
    with pytest.raises(DamagedFile, match="rooot"):
        locate(card)


def test_own_cards_are_taken_from_a_folder(city: Path, tmp_path: Path, fake_cards: Path) -> None:
    own = tmp_path / "own"
    (own / "labels").mkdir(parents=True)
    text = (fake_cards / "cityscapes-val.toml").read_text()
    text = text.replace('name = "cityscapes-val"', 'name = "mine"').replace('"cityscapes-ids"', '"halves"', 1)
    (own / "mine.toml").write_text(text)
    halves = {str(i): 0 if i < 17 else 1 for i in range(34)}
    lines = [f"{key} = {value}" for key, value in halves.items()]
    (own / "labels" / "halves.toml").write_text('summary = "x"\nsource = "y"\nvoid = [255]\n[ids]\n' + "\n".join(lines))
    cards.add_folder(own)
    assert set(np.unique(open_dataset("mine", data_root=city)[0].label)) <= {0, 1}
    (own / "cityscapes-val.toml").write_text(text)
    cards._ADDED.clear()
    with pytest.raises(UserError, match="two data sets are called"):
        cards.add_folder(own)
    with pytest.raises(UserError, match="no such folder"):
        cards.add_folder(tmp_path / "nowhere")


def test_a_table_names_each_id_once(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "twice.toml").write_text('summary = "x"\nsource = "y"\nvoid = [7]\n[ids]\n7 = 0\n')
    with pytest.raises(DamagedFile, match="id 7 has a class and is void"):
        tables.load_table("twice", [tmp_path])


@pytest.fixture
def mapillary(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    fake_data.FAMILIES["mapillary"].make(root)
    return root


def test_a_halved_copy_gives_what_halving_on_the_fly_gives(mapillary: Path) -> None:
    card = load_files_card("mapillary-val")
    found = require_usable(card, mapillary)
    before = sorted(path.relative_to(mapillary) for path in mapillary.rglob("*"))
    fly = open_dataset("mapillary-val", data_root=mapillary, halved=True)
    flown = [fly[index] for index in range(len(fly))]
    whole = open_dataset("mapillary-val", data_root=mapillary)
    assert flown[0].label.shape == tuple(side // 2 for side in whole[0].label.shape)
    assert not has_copy(card, found)
    copy = halve(card, found)
    assert copy.written == len(fly)
    assert has_copy(card, found)
    copied = open_dataset("mapillary-val", data_root=mapillary, halved=True)
    for index, sample in enumerate(flown):
        np.testing.assert_array_equal(copied[index].image, sample.image)
        np.testing.assert_array_equal(copied[index].label, sample.label)
    inside = sorted(path.relative_to(mapillary) for path in (mapillary / found.folder.name).rglob("*"))
    assert [path for path in before if len(path.parts) > 1] == inside, "nothing is written into the data"
    image = next((copy.folder / "images").rglob("*.png"))
    image.unlink()
    assert halve(card, found).written == 1, "goes on with what is missing"
