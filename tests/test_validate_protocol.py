"""`results validate`: is a result its protocol's, is it there once, and is its text read as it was written?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.per_image import per_image_path
from bench.report.departs import of_protocol
from bench.report.validate import validate
from bench.result import RunResult, read_result, result_path
from bench.spec import RunSpec, spec_hash

COMMITTED = Path(__file__).resolve().parent.parent / "results"
ONE = Path("streets/eva02-mini/rein/6942e68c829a-s0.json")
Document = dict[str, Any]


def document() -> Document:
    found: Document = json.loads((COMMITTED / ONE).read_text(encoding="utf-8"))
    return found


def result_of(changed: Document) -> RunResult:
    """With the hash that it then has, and without the targets that it then has not."""
    changed["spec_hash"] = spec_hash(RunSpec.model_validate(changed["spec"]))
    names = [target["name"] for target in changed["spec"]["targets"]]
    changed["targets"] = {name: found for name, found in changed["targets"].items() if name in names}
    return RunResult.model_validate(changed)


def put(root: Path, changed: Document) -> Path:
    """The changed result where it belongs, the counts of single images beside it."""
    path = result_path(result_of(changed).spec, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(changed), encoding="utf-8")
    shutil.copy(per_image_path(COMMITTED / ONE), per_image_path(path))
    return path


def target(found: Document, name: str) -> Document:
    return next(one for one in found["spec"]["targets"] if one["name"] == name)


def without_target(found: Document) -> None:
    found["spec"]["targets"].remove(target(found, "hills"))


def other_target(found: Document) -> None:
    target(found, "hills")["name"] = "valley"


def nothing(_: Document) -> None:
    """The committed run as it is."""


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (nothing, []),
        (
            lambda d: d["spec"]["recipe"].update(iterations=99_999),
            ["recipe.iterations is 99999, in protocol streets 1000, and not among its settings"],
        ),
        (lambda d: (d["spec"]["recipe"].update(iterations=9), d["settings"].update({"recipe.iterations": 9})), []),
        (
            lambda d: d["settings"].update({"recipe.iterations": 9}),
            ["its settings say that recipe.iterations is 9, its specification 1000"],
        ),
        (
            lambda d: d["spec"].update(precision="bf16"),
            ["it is in bf16, protocol streets in fp32, and its settings do not say so"],
        ),
        (without_target, ["target 'hills' of protocol streets is not in its specification"]),
        (
            other_target,
            [
                "target 'hills' of protocol streets is not in its specification",
                "target 'valley' is not one of protocol streets",
            ],
        ),
        (lambda d: target(d, "hills").update(group="weather"), ["target 'hills' is not as protocol streets has it"]),
        (lambda d: target(d, "hills").update(images=3), ["target 'hills' is not as protocol streets has it"]),
        (
            lambda d: d["spec"].update(classes="synthia-16"),
            ["its mIoU is over synthia-16, that of protocol streets over cityscapes-19"],
        ),
        (lambda d: d["spec"]["track"].update(name="mine"), ["its track 'mine' is none of protocol streets"]),
        (
            lambda d: d["spec"]["track"].update(stride_fraction=0.5),
            ["its track is not the native of protocol streets"],
        ),
        (lambda d: (d["spec"].update(protocol="mine"), d["spec"]["recipe"].update(iterations=9)), []),
    ],
)
def test_what_is_not_the_protocols_is_named(change: Callable[[Document], object], lines: list[str]) -> None:
    changed = document()
    change(changed)
    changed["state"] = "partial"  # of other targets than the specification's
    assert list(of_protocol(result_of(changed))) == lines


def test_of_a_run_scored_elsewhere_both_protocols_are_asked() -> None:
    path = sorted((COMMITTED / "streets-weather@streets").rglob("*.json"))[0]
    result = read_result(path)
    assert list(of_protocol(result)) == []
    spec = result.spec
    longer = spec.recipe.model_copy(update={"iterations": 5})
    track = spec.track.model_copy(update={"name": "other"})
    changed = result.model_copy(update={"spec": spec.model_copy(update={"recipe": longer, "track": track})})
    assert list(of_protocol(changed)) == [
        "its track 'other' is none of protocol streets-weather",
        "recipe.iterations is 5, in protocol streets 1000, and not among its settings",
    ]


def test_images_are_left_out_by_the_list_of_their_set_alone(tmp_path: Path) -> None:
    changed = document()
    changed["targets"]["harbour"]["left_out"] = 35
    path = put(tmp_path, changed)
    line = f"{path}: target 'harbour' says that 35 images are left out; the list of streets-harbour has 0"
    assert validate(tmp_path).problems == [line]


@pytest.mark.parametrize("changes", [{"seed": 1}, {"method": "mine"}])
def test_a_run_under_two_names_is_named(tmp_path: Path, changes: Document) -> None:
    first, changed = put(tmp_path, document()), document()
    changed["spec"].update(changes)
    put(tmp_path, changed)
    (problem,) = validate(tmp_path).problems
    assert problem.endswith("one run under two names")
    assert str(first) in problem


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"commit": "not-a-commit"}, "its provenance names 'not-a-commit', which is no commit"),
        ({"packages": {}}, "its provenance does not say which torch it was made with"),
        ({"threads": -3}, "its provenance says that it was made with -3 threads"),
    ],
)
def test_provenance_that_says_nothing_is_named(tmp_path: Path, changes: Document, line: str) -> None:
    changed = document()
    changed["provenance"].update(changes)
    path = put(tmp_path, changed)
    assert validate(tmp_path).problems == [f"{path}: {line}"]


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, document())
    path.write_text(path.read_text().replace('"settings": {}', '"settings": {"a": 1}, "settings": {}'))
    assert validate(tmp_path).problems == [f"{path}: 'settings' stands twice in one place"]


def test_counts_are_whole_numbers_of_the_targets(tmp_path: Path) -> None:
    path = put(tmp_path, document())
    archive = per_image_path(path)
    arrays = dict(np.load(archive))
    np.savez_compressed(archive, **arrays, other=np.zeros((3, 3), dtype=np.int32))
    assert validate(tmp_path).problems == [f"{archive}: 'other' is no target of the result"]
    np.savez_compressed(archive, **arrays | {"grid": arrays["grid"].astype(np.float64)})
    (problem,) = validate(tmp_path).problems
    assert problem == f"damaged file {archive}: ValueError: counts are whole numbers, not float64"
