"""Cards and the reader."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bench.data import cards, labels
from bench.data.reader import Sample, SegmentationDataset, open_dataset
from bench.errors import DamagedFile, UnknownName, UserError


def sample(index: int) -> Sample:
    """An image that tells its index."""
    return Sample(np.full((4, 6, 3), index, np.uint8), np.zeros((4, 6), np.uint8), str(index))


def dataset(load: object = sample, size: int = 8) -> SegmentationDataset:
    """A data set of made-up samples."""
    return SegmentationDataset("toy", [str(i) for i in range(size)], load, "r1")


RENDERED = [name for name in cards.names() if isinstance(cards.load_card(name), cards.StreetsCard)]


@pytest.mark.parametrize("name", RENDERED)
def test_every_card_opens_and_its_first_image_is_well_formed(name: str) -> None:
    card, opened = cards.load_card(name), open_dataset(name)
    assert len(opened) == card.images
    assert opened.classes == labels.CLASSES
    image, label = opened[0][:2]
    assert (image.dtype, image.shape) == (np.uint8, (card.height, card.width, 3))
    assert (label.dtype, label.shape) == (np.uint8, (card.height, card.width))
    assert set(np.unique(label)) <= {*range(len(labels.CLASSES)), labels.IGNORE}
    assert opened[0].image.std() > 1


def test_train_and_validation_frames_of_a_domain_are_disjoint() -> None:
    train, val = open_dataset("streets-source"), open_dataset("streets-source-val")
    assert not set(train.names) & set(val.names)
    assert not np.array_equal(train[0].image, val[0].image)


def test_unknown_and_damaged_cards_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="did you mean 'streets-fog'"):
        open_dataset("streets-fogg")
    good = (cards.FOLDER / "streets-fog.toml").read_text()
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    (tmp_path / "streets-fog.toml").write_text(good.replace('domain = "fog"', 'domain = "fogg"'))
    with pytest.raises(DamagedFile, match=r"domain: unknown domain 'fogg'; did you mean 'fog'\?"):
        cards.load_card("streets-fog")
    (tmp_path / "broken.toml").write_text('name = "broken"\nkind = "streets"\n')
    (tmp_path / "renamed.toml").write_text("name = [")
    for name in ("broken", "renamed"):
        with pytest.raises(DamagedFile, match=name):
            cards.load_card(name)


def test_revision_follows_what_decides_the_images_only() -> None:
    card = cards.load_card("streets-fog")
    assert cards.revision(card) == cards.revision(card.model_copy(update={"summary": "other words"}))
    others = [card.model_copy(update=change) for change in ({"images": 9}, {"domain": "night"}, {"split": "train"})]
    assert len({cards.revision(one) for one in (card, *others)}) == 4


def test_first_images_only() -> None:
    few = open_dataset("streets-fog", images=3)
    assert len(few) == 3
    whole = open_dataset("streets-fog")
    assert few.file_list_hash() == whole.file_list_hash(3) != whole.file_list_hash()
    with pytest.raises(IndexError):
        few[3]
    with pytest.raises(UserError, match=f"has {len(whole)} images, not {len(whole) + 1}"):
        open_dataset("streets-fog", images=len(whole) + 1)


def test_each_sample_is_made_once_also_from_many_threads() -> None:
    made: list[int] = []

    def load(index: int) -> Sample:
        time.sleep(0.002)
        made.append(index)
        return sample(index)

    data = dataset(load)
    data.prefetch(range(8))
    threads = [threading.Thread(target=lambda: [data[i] for i in reversed(range(8))]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(8))
    assert [int(data[i].image[0, 0, 0]) for i in range(8)] == list(range(8))


def test_a_sample_wanted_now_does_not_wait_for_the_queue() -> None:
    release = threading.Event()

    def load(index: int) -> Sample:
        if index < 6:
            release.wait(10)
        return sample(index)

    data = dataset(load)
    data.prefetch(range(8))
    assert data[7].name == "7"
    data.cancel()
    release.set()
    assert data[3].name == "3"


def test_a_failing_sample_fails_loudly() -> None:
    def load(index: int) -> Sample:
        raise OSError("no such image")

    data = dataset(load)
    data.prefetch([0])
    for index in (0, 1):
        with pytest.raises(OSError, match="no such image"):
            data[index]


def test_labels_are_the_nineteen_of_cityscapes() -> None:
    assert len(labels.CLASSES) == len(labels.PALETTE) == len(set(labels.PALETTE)) == 19
    picture = labels.colourise(np.array([[0, 13, labels.IGNORE]]))
    np.testing.assert_array_equal(picture, [[(128, 64, 128), (0, 0, 142), (0, 0, 0)]])
