"""Spoilt data sets of files: each fault has its own message, none a traceback, none is skipped."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import fake_data
import numpy as np
import pytest
from trees import label_of, read_all

from bench.data import cards
from bench.data.check import check, render
from bench.data.reader import open_dataset
from bench.errors import BenchError, DamagedFile, DatasetNotFound

pytestmark = pytest.mark.usefixtures("fake_cards")


# Faults: what is done to the tree, and what must be said. None may be skipped, none end in a traceback.


def _missing_label(root: Path) -> None:
    label_of(root, "cityscapes-val").unlink()


def _truncated(root: Path) -> None:
    path = label_of(root, "cityscapes-val")
    path.write_bytes(path.read_bytes()[:-40])


def _empty_file(root: Path) -> None:
    label_of(root, "cityscapes-val").write_bytes(b"")


def _wrong_size(root: Path) -> None:
    path = label_of(root, "cityscapes-val")
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:-1])


def _unknown_id(root: Path) -> None:
    path = label_of(root, "cityscapes-val")
    ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    ids[0, 0] = 77
    cv2.imwrite(str(path), ids)


def _colours(root: Path) -> None:
    path = label_of(root, "cityscapes-val")
    cv2.imwrite(str(path), cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_GRAY2BGR))


def _empty_split(root: Path) -> None:
    for path in (root / "cityscapes/leftImg8bit/val").rglob("*.png"):
        path.unlink()


def _loop(root: Path) -> None:
    shutil.rmtree(root / "cityscapes/leftImg8bit/val")
    (root / "cityscapes/leftImg8bit/val").symlink_to("val")


def _dangling(root: Path) -> None:
    shutil.rmtree(root / "cityscapes/leftImg8bit/val")
    (root / "cityscapes/leftImg8bit/val").symlink_to(root / "moved")


def _upper_case(root: Path) -> None:
    path = root / "cityscapes" / fake_data.EXPECTED["cityscapes-val"][0][0]
    path.rename(path.with_suffix(".PNG"))


def _all_upper_case(root: Path) -> None:
    for path in (root / "cityscapes/leftImg8bit/val").rglob("*.png"):
        path.rename(path.with_suffix(".PNG"))


def _folder_for_a_file(root: Path) -> None:
    path = label_of(root, "cityscapes-val")
    path.unlink()
    path.mkdir()


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing label": (
        _missing_label,
        r"1 image without label: frankfurt/\S+; expected gtFine/val/frankfurt/\S+labelIds.png",
    ),
    "truncated": (_truncated, "cut off"),
    "empty file": (_empty_file, "it is empty"),
    "wrong size": (_wrong_size, "pixels where its image is"),
    "unknown id": (
        _unknown_id,
        "label ids that the map does not have: 77, which are not in label table cityscapes-ids",
    ),
    "colours": (_colours, "wrong number of channels"),
    "empty split": (_empty_split, r"has no image leftImg8bit/val/\*/\*_leftImg8bit.png; get it from"),
    "loop": (_loop, "cannot be followed: Too many levels of symbolic links"),
    "dangling link": (_dangling, "the link leads to .*moved, which is not there"),
    "upper case": (_upper_case, r"1 file would match but for upper or lower case: \S+\.PNG; rename them"),
    "all upper case": (_all_upper_case, r"only files that differ in upper or lower case: \S+\.PNG.*rename them"),
    "folder": (_folder_for_a_file, "a folder, not a file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str, city: Path) -> None:
    spoil, message = FAULTS[fault]
    assert check("cityscapes-val", city).usable
    spoil(city)
    with pytest.raises(BenchError, match=message) as caught:
        read_all("cityscapes-val", city)
    assert "\n" not in str(caught.value)
    result = check("cityscapes-val", city, full=True)
    assert not result.usable
    assert result.problems
    assert re.search(message.split(";")[0], render(result))


def test_a_palette_that_is_none_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    fake_data.FAMILIES["gta5"].make(root)
    path = label_of(root, "gta5")
    cv2.imwrite(str(path), np.zeros((53, 96), np.uint8))
    with pytest.raises(DamagedFile, match="wrong palette"):
        open_dataset("gta5", data_root=root)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(city: Path) -> None:
    label_of(city, "cityscapes-val").chmod(0)
    with pytest.raises(DamagedFile, match="no permission"):
        open_dataset("cityscapes-val", data_root=city)[0]


@pytest.mark.parametrize("line", ["../../etc/passwd", "/etc/passwd", "a/../b"])
def test_lists_cannot_lead_out_of_the_data_set(line: str, tmp_path: Path) -> None:
    fake_data.FAMILIES["foggy-zurich"].make(tmp_path)
    (path,) = tmp_path.rglob("RGB_testv2_filenames.txt")
    path.write_text(path.read_text() + f"{line}\n")
    with pytest.raises(DamagedFile, match="must be a plain path below"):
        open_dataset("foggy-zurich-test", data_root=tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('labels = "gtFine/', 'labels = "../gtFine/'),
        ('labels = "gtFine/', 'labels = "/gtFine/'),
        ('folders = ["cityscapes"', 'folders = ["../cityscapes"'),
        ('images = "leftImg8bit/val', 'images = "leftImg8bit\\\\val'),
    ],
)
def test_cards_cannot_lead_out_of_the_data_root(old: str, new: str, tmp_path: Path, fake_cards: Path) -> None:
    text = (fake_cards / "cityscapes-val.toml").read_text().replace('name = "cityscapes-val"', 'name = "mine"')
    assert old in text
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.toml").write_text(text.replace(old, new))
    cards.add_folder(own)
    with pytest.raises(DamagedFile, match="must be a plain path below"):
        cards.load_card("mine")


def test_an_item_of_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    fake_data.FAMILIES["foggy-zurich"].make(tmp_path)
    (path,) = tmp_path.rglob("RGB_testv2_filenames.txt")
    path.write_text(path.read_text() + "RGB/nowhere/1.png\n")
    with pytest.raises(DatasetNotFound, match=r"names 1 image that are not there: RGB/nowhere/1\.png"):
        open_dataset("foggy-zurich-test", data_root=tmp_path)
    path.unlink()
    with pytest.raises(DatasetNotFound, match=r"the list .* is missing"):
        open_dataset("foggy-zurich-test", data_root=tmp_path)
