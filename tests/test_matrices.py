"""Confusion matrices are read from a file's text exactly as a JSON parser reads them, or left to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.byproducts import Byproducts
from bench.errors import DamagedFile
from bench.matrices import cut_out, stacked
from bench.result import RunResult, read_result
from bench.writing import encode


def _document(matrices: list[np.ndarray]) -> dict[str, object]:
    targets = {f"t{place}": {"confusion": each.tolist(), "images": 3} for place, each in enumerate(matrices)}
    return {"a": [1, [2]], "targets": targets, "z": "]] [["}


@pytest.mark.parametrize("write", [encode, json.dumps, lambda value: json.dumps(value, indent=3)])
@pytest.mark.parametrize("classes", [1, 2, 19])
def test_what_is_cut_out_is_what_json_reads(write, classes) -> None:
    rng = np.random.default_rng(classes)
    matrices = [rng.integers(0, 10 ** rng.integers(1, 18), (classes, classes)) for _ in range(5)]
    matrices[0][0, 0] = 10**18 - 1
    matrices[1][:] = 0
    document = _document(matrices)
    cut = cut_out(write(document).encode())
    assert cut is not None
    np.testing.assert_array_equal(cut.matrices, matrices)
    assert cut.matrices.dtype == np.int64
    for place in range(5):
        document["targets"][f"t{place}"]["confusion"] = place
    assert json.loads(cut.text) == document


@pytest.mark.parametrize(
    "matrix",
    [
        *("[[1,2],[3]]", "[[1,2],[3,4],[5,6]]", "[[1,2,3],[4,5,6]]", "[[],[]]", "[[1,2],[3,4]", "[1,2]"),
        *("[[1,2],[3,-4]]", "[[1,2],[3,4.0]]", "[[1,2],[3,4e1]]", "[[1,2],[3,null]]", '[[1,2],[3,"4"]]'),
        *("[[1,2],[3,04]]", "[[1,2],[3,4 5]]", "[[1,2],[3,]]", "[[1,2],[,4]]", "[[1,2],[3,,4]]", "[[1,2] [3,4]]"),
        *("[[1,2],[3,9223372036854775808]]", "[[1,2],[3,99999999999999999999]]", "[[[1,2],[3,4]]]", "7", "{}"),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(matrix) -> None:
    text = '{"targets":{"a":{"confusion":[[1,2],[3,4]]},"b":{"confusion":%s,"c":[[1]]}}}'
    assert cut_out((text % "[[1,2],[3,4]]").encode()) is not None
    assert cut_out((text % matrix).encode()) is None


@pytest.mark.parametrize("rows", [["[1,2]", "[3,4],[5,6],[7,8]"], ["[1,2],[3,4],[5,6]", "[7,8]"], ["[1,2];", "[3,4]"]])
def test_no_row_goes_over_to_the_next_matrix(rows) -> None:
    text = ",".join(f'"t{place}":{{"confusion":[{some}]}}' for place, some in enumerate(rows))
    assert cut_out(f'{{"targets":{{{text}}}}}'.encode()) is None


def test_a_file_is_read_as_its_text_says(saved) -> None:
    result, path = saved
    made = Byproducts()
    again = read_result(path, made)
    assert again == result
    assert cut_out(path.read_bytes()) is not None
    np.testing.assert_array_equal(made.matrices, stacked(again.targets))  # the file's order
    assert RunResult.model_validate_json(path.read_bytes()) == result
    with pytest.raises(ValueError, match="read-only"):
        result.targets["east"].confusion[0, 0] = 1


def test_equality_sees_the_counts(saved) -> None:
    result, _ = saved
    other = result.targets["east"].confusion.copy()
    other[0, 0], other[0, 1] = other[0, 1], other[0, 0]
    east = result.targets["east"].model_copy(update={"confusion": other})
    assert east != result.targets["east"]
    assert result.model_copy(update={"targets": result.targets | {"east": east}}) != result


def _matrix_in_settings(text: str) -> str:
    return text.replace('"settings": {}', '"settings": {"confusion": [[1]]}')


def _matrix_in_settings_as_large(text: str) -> str:
    rows = json.dumps(json.loads(text)["targets"]["east"]["confusion"])
    return text.replace('"settings": {}', f'"settings": {{"confusion": {rows}}}')


def test_a_matrix_elsewhere_stays_where_it_is(saved) -> None:
    result, path = saved
    for change in (_matrix_in_settings, _matrix_in_settings_as_large):
        text = change(encode(result.model_dump(mode="json")))
        path.write_text(text)
        made = Byproducts()
        again = read_result(path, made)
        assert again.settings == json.loads(text)["settings"] != {}
        assert again.targets == result.targets
        np.testing.assert_array_equal(made.matrices, stacked(again.targets))


@pytest.mark.parametrize("key", ['"confusion"', '"\\u0063onfusion"'])
@pytest.mark.parametrize("number", ["0", "1", "-1", "true", '"0"'])
def test_a_number_is_no_matrix(saved, key, number) -> None:
    _, path = saved
    document = json.loads(path.read_text())
    document["targets"]["east"]["confusion"] = "HERE"
    path.write_text(json.dumps(document).replace('"confusion": "HERE"', f"{key}: {number}"))
    with pytest.raises(DamagedFile, match=r"targets\.east\.confusion: the matrix is not square"):
        read_result(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: [row[:-1] for row in rows], "not square"),
        (lambda rows: [*rows[:-1], rows[-1][:-1]], "not square"),
        (lambda rows: [[float(count) for count in row] for row in rows], "whole numbers"),
        (lambda rows: [[2**63, *rows[0][1:]], *rows[1:]], "64 bits"),
        (lambda rows: [[-1, *rows[0][1:]], *rows[1:]], "negative count"),
        (lambda rows: [row[:-1] for row in rows[:-1]], "the confusion matrix of 'west' is not of"),
        (lambda rows: [rows[1], rows[0], *rows[2:-1], [count + 1 for count in rows[-1]]], "hold other pixels"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_matrix(saved, change, reason) -> None:
    _, path = saved
    document = json.loads(path.read_text())
    document["targets"]["west"]["confusion"] = change(document["targets"]["west"]["confusion"])
    path.write_text(json.dumps(document))
    with pytest.raises(DamagedFile, match=reason) as caught:
        read_result(path)
    assert "\n" not in str(caught.value)


def test_sixteen_classes_need_matrices_of_nineteen(make_result) -> None:
    with pytest.raises(ValueError, match="matrices of 3 classes have no score on synthia-16"):
        make_result(classes="synthia-16")
