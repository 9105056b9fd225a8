"""The table of corruptions: means over severities, the clean score of the same images, and what each row is of."""

from __future__ import annotations

import csv
import io
import statistics

import pytest

from bench.protocols.corruptions import Corrupted, corrupted
from bench.report import topics
from bench.report.scores import scores
from bench.report.series import series
from bench.report.tables import comma_separated, markdown
from bench.result import RunResult
from bench.spec import Target


@pytest.fixture
def swept(make_result):
    """Results with these corruptions of toy-east, whose clean images are a target."""

    def make(pairs: list[tuple[str, int]], **fields) -> RunResult:
        targets = (
            Target(name="source", dataset="toy-home", group="source"),
            Target(name="east", dataset="toy-east", group="unseen"),
            *corrupted([Corrupted(*pair) for pair in pairs], "toy-east"),
        )
        result = make_result(targets=targets, done=len(targets), **fields)
        home = result.targets["source"].model_copy(update={"file_list_hash": "1" * 16})
        return result.model_copy(update={"targets": result.targets | {"source": home}})

    return make


def table(text: str) -> list[list[str]]:
    """The rows of the table of corruptions, its header first."""
    lines = text.split("mIoU under each corruption")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line[:1] == "|"]
    return [rows[0], *rows[2:]]


def test_means_over_the_severities_and_seeds(swept) -> None:
    results = [swept([("fog", 1), ("snow", 1), ("fog", 3), ("snow", 3)], seed=seed) for seed in range(3)]
    text = markdown(series(results), results)
    assert "\nmIoU under each corruption, mean over severities 1, 3; clean: the very same images as they are:\n" in text
    header, cells = table(text)
    assert header == ["method", "backbone", "clean", "snow", "fog", "corruption mean", "corruption drop"]
    found = [scores(result).mious for result in results]
    expected = {
        "clean": [mious["east"] for mious in found],
        "fog": [(mious["fog-1"] + mious["fog-3"]) / 2 for mious in found],
        "snow": [(mious["snow-1"] + mious["snow-3"]) / 2 for mious in found],
    }
    (row,) = csv.DictReader(io.StringIO(comma_separated(series(results))))
    for name, values in expected.items():
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        assert cells[header.index(name)] == f"{mean:.1f} ± {deviation:.1f}"
        assert float(row[f"corruption:{name}_mean"]) == pytest.approx(mean, abs=1e-4)
        assert float(row[f"corruption:{name}_std"]) == pytest.approx(deviation, abs=1e-4)


@pytest.mark.parametrize(
    ("pairs", "title"),
    [([("fog", 5)], "severity 5;"), ([("fog", n) for n in (1, 2, 3, 4, 5)], "mean over severities 1 to 5;")],
)
def test_the_title_says_which_severities(swept, pairs: list[tuple[str, int]], title: str) -> None:
    topic = topics.corruptions(series([swept(pairs)]))
    assert topic is not None
    assert topic.title.startswith(f"mIoU under each corruption, {title}")
    assert topic.severities == []


def test_rows_of_other_severities_say_so(swept) -> None:
    results = [
        swept([("fog", 3), ("snow", 3)], method="a"),
        swept([("fog", 5)], method="b"),
        swept([("fog", 1), ("snow", 5)], method="c"),
    ]
    header, *rows = table(markdown(series(results), results))
    told = {cells[0]: dict(zip(header, cells, strict=True)) for cells in rows}
    assert {name: cells["severities"] for name, cells in told.items()} == {"a": "3", "b": "5", "c": "various"}
    assert told["b"]["snow"] == "n/a"
    assert told["b"]["fog"] == f"{scores(results[1]).mious['fog-5']:.1f}"


def test_only_rows_with_corruptions_are_in_it(swept, make_result) -> None:
    plain = make_result(method="plain", targets=swept([]).spec.targets, done=2)
    both = [swept([("fog", 3)], method="foggy"), plain]
    assert [cells[0] for cells in table(markdown(series(both), both))[1:]] == ["foggy"]
    assert "under each corruption" not in markdown(series([plain]), [plain])
    assert "corruption:" not in comma_separated(series([plain]))


def test_a_clean_score_that_is_not_of_the_same_images_is_not_shown(swept) -> None:
    result = swept([("fog", 3)])
    other = result.targets["east"].model_copy(update={"file_list_hash": "2" * 16})
    result = result.model_copy(update={"targets": result.targets | {"east": other}})
    topic = topics.corruptions(series([result]))
    assert topic is not None
    assert "clean" not in topic.title
    assert topics.table(topic).header == ["method", "backbone", "fog", "corruption mean"]
