"""Result files: what is written is what is read; half-written, edited or misplaced files are never trusted."""

from __future__ import annotations

import json
import stat

import numpy as np
import pytest

from bench.cost.figures import EarlierCost
from bench.errors import DamagedFile, PrerequisiteError
from bench.per_image import per_image_path, read_per_image
from bench.result import (
    load_all,
    read_result,
    require_writable,
    result_path,
    set_aside,
    write_result,
)
from bench.spec import Target, spec_hash
from bench.writing import encode, write_atomically


def test_round_trip(saved, per_image) -> None:
    result, path = saved
    assert read_result(path) == result
    counts = read_per_image(path, result)
    assert all(np.array_equal(counts[name], wanted) for name, wanted in per_image(result).items())


def test_a_result_of_the_schema_before_is_read_as_it_is(saved, per_image) -> None:
    result, path = saved
    cost = {"trainable_params": 7, "total_params": 9, "gflops": 0.5, "latency_ms": 3.0, "peak_memory_mb": 12.0}
    _edit(path, schema_version=2, cost=cost)
    old = read_result(path)
    assert old.cost == EarlierCost(**cost)
    assert (old.schema_version, old.targets) == (2, result.targets)
    assert json.loads(json.dumps(old.model_dump(mode="json")))["cost"] == cost | {"images_per_s": None}


def test_path_names_the_run(saved, tmp_path) -> None:
    result, path = saved
    name = f"{spec_hash(result.spec)[:12]}-s0"
    assert path == tmp_path / "toyland" / "vit-toy" / "toy" / f"{name}.json"
    assert sorted(file.name for file in path.parent.iterdir()) == [f"{name}.json", f"{name}.npz"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_same_result_same_bytes(saved, tmp_path, per_image) -> None:
    result, path = saved
    again = tmp_path / "again.json"
    write_result(result, again, per_image(result))
    assert again.read_bytes() == path.read_bytes()
    assert per_image_path(again).read_bytes() == per_image_path(path).read_bytes()


def test_a_full_size_result_stays_small(tmp_path, make_result, make_spec) -> None:
    names = [f"set{i}" for i in range(24)]
    targets = tuple(Target(name=name, dataset=name, group="unseen") for name in names)
    result = make_result(state="partial", done=0, targets=targets)
    matrix = np.random.default_rng(0).integers(0, 10**6, (19, 19)).tolist()
    pixels = int(np.sum(matrix))
    bins = [(0, 0.0, 0)] * 14 + [(pixels, pixels / 3, pixels // 2)]
    one = {"group": "unseen", "images": 500, "confusion": matrix, "file_list_hash": "0" * 16, "seconds": 1.0}
    filled = {name: one | {"reliability": {"bins": bins, "nll_sum": 0.1 * pixels}} for name in names}
    whole = type(result).model_validate(result.model_dump() | {"targets": filled})
    path = result_path(result.spec, tmp_path)
    write_result(whole, path, {})
    assert path.stat().st_size < 100_000
    assert path.read_text().count("\n") < 1_500


def test_a_failure_while_writing_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "file"
    write_atomically(path, lambda stream: stream.write(b"old"))

    def fail(stream) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _edit(path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "Invalid JSON"),
        (lambda path: path.write_bytes(b""), "Invalid JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "Invalid JSON"),
        (lambda path: _edit(path, schema_version=1), "schema_version"),
        (lambda path: _edit(path, spec_hash="0" * 64), "spec_hash is not the hash of the spec"),
        (lambda path: _edit(path, extra=1), "extra"),
        (lambda path: _edit(path, targets={}), "a target or the cost is missing"),
        (lambda path: _edit(path, cost=None), "a target or the cost is missing"),
    ],
)
def test_damaged_files_are_named(saved, tmp_path, damage, reason) -> None:
    _, path = saved
    damage(path)
    with pytest.raises(DamagedFile, match=reason) as caught:
        read_result(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    loaded = load_all(tmp_path)
    assert loaded.results == []
    assert [problem.path for problem in loaded.problems] == [path]


def test_edited_matrices_are_refused(saved, tmp_path) -> None:
    _, path = saved
    document = json.loads(path.read_text())
    document["targets"]["east"]["confusion"][0] = [1, 2]
    path.write_text(json.dumps(document))
    with pytest.raises(DamagedFile, match="not square"):
        read_result(path)


def test_a_copy_elsewhere_is_a_problem(saved, tmp_path) -> None:
    result, path = saved
    copy = path.with_name("0123456789ab-s0.json")
    copy.write_bytes(path.read_bytes())
    loaded = load_all(tmp_path)
    assert loaded.results == [result]
    assert [problem.path for problem in loaded.problems] == [copy]
    assert str(path) in str(loaded.problems[0])


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_per_image_counts_must_add_up(saved, per_image, damage) -> None:
    result, path = saved
    source = per_image_path(path)
    if damage == "missing":
        source.unlink()
    elif damage == "cut":
        source.write_bytes(source.read_bytes()[:100])
    else:
        counts = per_image(result)
        counts["west"][0, 0, 0] += 1
        np.savez_compressed(source, **counts)
    with pytest.raises(DamagedFile, match=source.name):
        read_per_image(path, result)


def test_state_folders_are_not_results(saved, tmp_path) -> None:
    result, _ = saved
    hidden = tmp_path / ".runs" / "a" / "b" / "c.json"
    hidden.parent.mkdir(parents=True)
    hidden.write_text("{}")
    assert load_all(tmp_path) == ([result], [])


def test_set_aside_keeps_every_damaged_file(tmp_path, caplog) -> None:
    path = tmp_path / "r.json"
    for content in ("one", "two"):
        path.write_text(content)
        set_aside(path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "r.json.damaged": "one",
        "r.json.damaged1": "two",
    }
    assert str(path) in caplog.text


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_a_folder_that_cannot_be_written(tmp_path, below) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="--results"):
        require_writable(tmp_path / below)


def test_a_failed_save_is_an_error(tmp_path, make_result, per_image) -> None:
    (tmp_path / "toyland").write_text("in the way")
    result = make_result()
    with pytest.raises(PrerequisiteError, match="cannot save"):
        write_result(result, result_path(result.spec, tmp_path), per_image(result))


def test_encode_is_json(make_result) -> None:
    value = {"b": [[1, 2], [3, 4]], "a": {"x": None, "y": []}, "c": [{"z": "[1,  2]"}], "d": {}}
    assert json.loads(encode(value)) == value
    assert list(json.loads(encode(value))) == sorted(value)
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": float("nan")})
