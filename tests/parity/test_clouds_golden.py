"""Parity with the published refinement of pseudo-labels, for every CLOUDS case of the golden folder (GOLDEN_DIR)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from rein_cases import FOLDER
from safetensors.torch import load_file
from torch import Tensor

from methods.clouds.refine import Components, components, draw_points, targets, unite
from methods.clouds.segment_anything import best_candidate


class Case(NamedTuple):
    """One golden case."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]


def clouds_cases(folder: Path = FOLDER) -> list[str]:
    """Names of the refinement cases of a folder: those whose .json has a `size_threshold`."""
    return sorted(path.stem for path in folder.glob("*.json") if "size_threshold" in json.loads(path.read_text()))


@pytest.fixture(scope="module", params=clouds_cases())
def case(request: pytest.FixtureRequest) -> Case:
    config = json.loads((FOLDER / f"{request.param}.json").read_text())
    return Case(config, load_file(FOLDER / f"{request.param}.safetensors"))


@pytest.fixture
def found(case: Case) -> Components:
    return components(case.tensors["teacher_label"].numpy(), case.config["size_threshold"])


def test_there_is_a_case() -> None:
    assert clouds_cases()


def test_components(case: Case, found: Components) -> None:
    assert found.classes.tolist() == case.tensors["component_class"].tolist()
    np.testing.assert_array_equal(found.masks(), case.tensors["components"].numpy().astype(bool))


def test_points_lie_in_their_components(found: Components) -> None:
    numbers, points = draw_points(found, 5, np.random.default_rng(0))
    assert numbers.tolist() == list(range(len(found.classes)))
    for number, own in zip(numbers, points, strict=True):
        assert len({tuple(point) for point in own}) == 5
        assert (found.places[own[:, 1], own[:, 0]] == number + 1).all()


def test_targets(case: Case) -> None:
    tensors = case.tensors
    masks = best_candidate(tensors["candidate_masks"].bool(), tensors["candidate_quality"])
    found = targets(masks, tensors["component_class"])
    assert torch.equal(found.classes, tensors["target_class"])
    assert torch.equal(found.masks, tensors["target_masks"].bool())


def test_the_label_map_holds_the_targets(case: Case) -> None:
    tensors = case.tensors
    masks = best_candidate(tensors["candidate_masks"].bool(), tensors["candidate_quality"])
    label = unite(masks, tensors["component_class"])
    for own, mask in zip(tensors["target_class"], tensors["target_masks"].bool(), strict=True):
        assert torch.equal(label == own, mask)
    assert (label == 255).sum() == (~tensors["target_masks"].bool().any(0)).sum()
