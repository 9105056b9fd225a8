"""Scales of pictures on which rows are not heaped: shares of training, fronts without ties, few ticks."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from readable import COMMITTED, drawn, is_readable, letters, table_of

from bench.cost.figures import EarlierCost, Memory
from bench.report.board import leaderboard
from bench.report.pareto import APART, front
from bench.report.plots.data import Table
from bench.report.scored import read_scored
from bench.report.series import place_of
from bench.result import CurvePoint, RunResult, load_all


@pytest.fixture(scope="module")
def streets() -> Table:
    """The committed rows of several methods and backbones."""
    table = table_of(load_all(COMMITTED).results)
    assert table.protocol == "streets"
    return table


def trained(make_result, method: str, iterations: int) -> RunResult:
    curve = [CurvePoint(iteration=step, loss=40 / step**0.3, lr=1e-3) for step in range(10, iterations + 1, 10)]
    return make_result(method=method).model_copy(update={"curve": curve})


def test_curves_of_unlike_lengths_share_the_width(make_result) -> None:
    figure = drawn("training", table_of([trained(make_result, "short", 1000), trained(make_result, "longer", 8500)]))
    (axes,) = figure.axes
    assert [line.get_xdata()[-1] for line in axes.lines] == [100, 100]
    assert axes.get_xlim() == (0, 100)
    assert "part of each row's training" in axes.get_xlabel()
    texts = " ".join(text.get_text() for text in letters(figure))
    assert "short (1,000 iterations)" in texts
    assert "longer (8,500 iterations)" in texts
    is_readable(figure)
    alike = drawn("training", table_of([trained(make_result, "short", 1000), trained(make_result, "longer", 1000)]))
    assert alike.axes[0].get_xlabel() == "iteration"
    assert [line.get_xdata()[-1] for line in alike.axes[0].lines] == [1000, 1000]


def test_markers_of_curves_are_spread(streets: Table) -> None:
    (axes,) = drawn("training", streets).axes
    first = [line.get_markevery()[0] for line in axes.lines]
    assert len(set(first)) == len(first) == len(streets.labels)


def test_a_tie_with_what_is_cheaper_is_no_step_of_the_front() -> None:
    costs, gains = [1.0, 2.0, 3.0], [35.0, 35.1, 37.0]
    assert front(costs, gains) == [0, 1, 2]
    assert front(costs, gains, {frozenset((0, 1))}) == [0, 2]
    assert front(costs, gains, {frozenset((0, 1)), frozenset((1, 2))}) == [0, 2], "it beats what is on the front"
    assert front(costs, gains, {frozenset(pair) for pair in combinations(range(3), 2)}) == [0]


def test_ties_are_those_of_the_leaderboard(streets: Table) -> None:
    board = leaderboard(read_scored(COMMITTED).scored)
    place = (streets.protocol, streets.track)
    rows = [row for row in board.rows if place_of(row) == place]
    shown = {tie for tie in board.standings[place].ties if "random" not in
             (rows[tie.ahead].keys["weights"], rows[tie.behind].keys["weights"])}  # fmt: skip
    assert len(streets.ties) == len(shown)
    for tie in shown:
        pair = {f"{row.keys['method']}, {row.keys['backbone']}" for row in (rows[tie.ahead], rows[tie.behind])}
        assert any({re.sub(r" \(.*\)", "", label) for label in labels} == pair for labels in streets.ties)


def centres(figure: Figure, axes) -> np.ndarray:
    """Of the rows' markers, in points."""
    points = [container.lines[0] for container in axes.containers]
    found = [line.get_transform().transform(line.get_xydata())[0] for line in points]
    return np.array(found) / figure.dpi * 72


def test_a_front_is_seen_and_no_marker_lies_on_another(streets: Table) -> None:
    ties = {frozenset(pair) for pair in combinations(streets.labels[:-1], 2)}  # whatever the bootstrap says of them now
    figure = drawn("pareto", streets._replace(ties=frozenset(ties)))
    for axes in figure.axes:
        step, *_ = (line for line in axes.lines if line.get_drawstyle() == "steps-post")
        assert step.get_xdata()[-1] == axes.get_xlim()[1], "also the front of one point is a line"
        (ring,) = (line for line in axes.lines if line.get_markersize() > 8)
        rows = zip(axes.containers, streets.labels, strict=True)
        best = {container.lines[0].get_xydata()[0].tobytes(): label for container, label in rows}
        members = [best[np.asarray(point).tobytes()] for point in ring.get_xydata()]
        assert members
        assert not [pair for pair in combinations(members, 2) if frozenset(pair) in ties]
        places = centres(figure, axes)
        least = min(np.hypot(*(one - other)) for one, other in combinations(places, 2))
        assert least >= 0.99 * APART
        off = np.abs(places - axes.transData.transform([c.lines[0].get_xydata()[0] for c in axes.containers])
                     / figure.dpi * 72)  # fmt: skip
        assert off[:, 1].max() < 0.01, "moved aside, never up or down"
        moved = [*(off[:, 0] > 0.01)]
        assert len(axes.texts) == sum(moved), "with a line from where it belongs"
        rows = zip(axes.containers, moved, strict=True)
        belong = {container.lines[0].get_xydata().tobytes() for container, aside in rows if aside}
        assert {line.get_xydata().tobytes() for line in axes.lines if line.get_markersize() == 2.4} == belong
        bars = [bar for container in axes.containers for bar in container.lines[2]]
        assert all(bar.get_transform() == axes.transData for bar in bars), "spreads stay where they are"


def test_memory_counted_in_two_ways_has_two_panels_and_says_who_is_absent(make_result) -> None:
    earlier = EarlierCost(trainable_params=1, total_params=2, latency_ms=2.0, peak_memory_mb=12.0)
    made = [make_result(method=name, seed=seed) for name in ("new", "old") for seed in (0, 1)]
    made = [one.model_copy(update={"cost": earlier}) if one.spec.method == "old" else one for one in made]
    memory = Memory(peak_mb=70.0, model_mb=1.0, baseline_mb=1.0, counted="resident set")
    made = [
        one.model_copy(update={"cost": one.cost.model_copy(update={"memory": memory})})
        if one.spec.method == "new"
        else one
        for one in made
    ]
    figure = drawn("pareto", table_of(made))
    places = {axes.get_xlabel(): [c.lines[0].get_xydata()[0][0] for c in axes.containers] for axes in figure.axes}
    assert (places["peak memory, MB"], places["peak memory of tensors, MB"]) == ([70.0], [12.0])
    note = " ".join(text.get_text().replace("\n", " ") for text in letters(figure))
    for title in ("GFLOPs", "peak memory, MB", "peak memory of tensors, MB"):
        assert f"1 of 2 rows have no {title}" in note


@pytest.mark.parametrize(("rows", "ticks"), [(6, 6), (12, 7), (19, 4)])
def test_the_numbers_of_ranks_do_not_touch(rows: int, ticks: int, make_result) -> None:
    made = [make_result(method="m" * (n % 5 + 1), backbone=f"vit-{n // 5}", seed=0) for n in range(rows)]
    figure = drawn("ranks", table_of(made))
    is_readable(figure)
    numbers = [text for text in letters(figure) if text.get_text().isdigit()]
    assert len(numbers) == ticks
    boxes = sorted((text.get_window_extent() for text in numbers), key=lambda box: box.x0)
    assert min(right.x0 - left.x1 for left, right in pairwise(boxes)) > 2 * figure.dpi / 72
