"""Fake trees that a test may spoil."""

from __future__ import annotations

from pathlib import Path

import fake_data

from bench.data.reader import open_dataset


def cityscapes(root: Path) -> Path:
    """A data root with Cityscapes alone."""
    fake_data.FAMILIES["cityscapes"].make(root)
    return root


def read_all(name: str, root: Path) -> None:
    opened = open_dataset(name, data_root=root)
    for index in range(len(opened)):
        opened[index]


def label_of(root: Path, name: str, place: int = 0) -> Path:
    label = fake_data.EXPECTED[name][place][1]
    assert label is not None
    return root / fake_data.FOLDERS[name] / label
