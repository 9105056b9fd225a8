"""Every kind of picture: readable where it is printed, true to the results, the same bytes each time."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from readable import COMMITTED, drawn, is_readable, letters, table_of

from bench import cli
from bench.report import theme
from bench.report.plots import FORMATS, KINDS
from bench.report.plots.draw import draw_kinds
from bench.report.plots.ladders import ladders
from bench.report.ranks import ranks
from bench.report.scores import scores
from bench.report.theme import NothingToDraw
from bench.result import RunResult, load_all, result_path, write_result
from bench.spec import Target

ROOT = Path(__file__).resolve().parent.parent
BLOCK, MOST = 24, 30
"""Pixels of a block's side, and how far the means of two pictures' blocks may lie apart (of 255)."""


@pytest.fixture(scope="module")
def every() -> list[RunResult]:
    """All committed results."""
    return load_all(COMMITTED).results


@pytest.fixture(scope="module")
def committed(every: list[RunResult]) -> list[RunResult]:
    """Of one backbone, so that rows are named by their method alone."""
    return [result for result in every if result.spec.backbone == "eva02-mini"]


@pytest.fixture
def many(make_result) -> list[RunResult]:
    """Ten rows, some with long names, two seeds each."""
    found = []
    for number, backbone in enumerate(("dinov2-reg-large", "siglip2-so400m")):
        for method in ("toy", "frozen", "full", "someone/adapter"):
            found += [make_result(method=method, backbone=backbone, seed=seed + 9 * number) for seed in (0, 1)]
    settings = {"rank": 16, "linked": False, "scale": 0.1}
    found += [make_result(method="toy", backbone="siglip2-so400m", method_config=settings, seed=s) for s in (0, 1)]
    return [*found, make_result(method="toy", backbone="dinov2-reg-large", weights="random")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_readable_in_a_column_of_a_paper(kind: str, every: list[RunResult]) -> None:
    two = {"methods": ("rein", "full"), "backbones": ("eva02-mini",)} if kind == "dumbbells" else {}
    table = table_of(every, kind, **two)
    figure = drawn(kind, table.only(table.labels[0]) if KINDS[kind].each else table)
    assert figure.get_figwidth() == theme.COLUMN
    is_readable(figure)
    texts = [text.get_text().replace("\n", " ") for text in letters(figure)]
    (note,) = [text for text in texts if "track native" in text]
    assert table.protocol in note
    assert any("eva02-mini" in text for text in texts), "every number says what it was measured on"


@pytest.mark.parametrize(("rows", "names"), [(8, "short"), (9, "short"), (20, "short"), (20, "long")])
def test_a_heat_map_of_many_rows_is_no_wider(rows: int, names: str, every: list[RunResult]) -> None:
    swept = [run for run in every if run.spec.protocol == "streets" and run.spec.seed == 0]
    swept = swept if names == "long" else [run for run in swept if run.spec.method == "full"]  # of several: settings
    methods = (
        ("rein", "full", "lora", "frozen", "adapter") if names == "short" else ("someone/method-of-theirs", "clouds")
    )
    found = []
    for number in range(rows):
        changed = {"method": methods[number % len(methods)], "backbone": f"dinov2-large-{number // len(methods)}"}
        run = swept[number % len(swept)]
        found.append(run.model_copy(update={"spec": run.spec.model_copy(update=changed)}))
    table = table_of(found, random=True)
    assert len(table.labels) == rows
    figure = drawn("corruptions", table)
    assert figure.get_figwidth() == theme.COLUMN
    assert figure.get_figheight() < 9.2 or names == "long", "a page"
    is_readable(figure)
    shown = (
        figure.axes[0].collections[0].get_array().reshape(-1, rows if rows <= 8 else len(figure.axes[0].get_xticks()))
    )
    means = [np.mean(shown[:-1, n]) for n in range(rows)] if rows <= 8 else shown[:, :-1].mean(axis=1)
    np.testing.assert_allclose(shown[-1] if rows <= 8 else shown[:, -1], means, err_msg="the last is their mean")


@pytest.mark.parametrize("kind", ["dots", "bars", "transfer", "pareto", "ranks", "training"])
def test_many_rows_with_long_names_are_readable(kind: str, many: list[RunResult]) -> None:
    table = table_of(many, random=True)
    assert len(table.labels) == 10
    is_readable(drawn(kind, table))


def test_rows_look_the_same_in_every_picture_and_apart_in_grey(many: list[RunResult]) -> None:
    table, part = table_of(many), table_of(many, methods=("frozen", "full"), backbones=("siglip2-so400m",))
    assert not any("random" in label for label in table.labels), "random weights are drawn on request"
    assert len(set(table.styles.values())) == len(table.styles) == 9
    for label, style in part.styles.items():
        assert style == table.styles[f"{label}, siglip2-so400m"]
    methods = {label.partition(" ")[0].strip(","): style.marker for label, style in table.styles.items()}
    assert len(set(methods.values())) == len(methods) == 4, "markers alone tell methods apart"
    one = table_of([run for run in many if run.spec.method == "frozen"])
    assert len({style.marker for style in one.styles.values()}) == 2, "and backbones, where there is one method"


def test_pictures_show_the_results(committed: list[RunResult]) -> None:
    table = table_of(committed)
    full = [scores(run).summary for run in table.results("full")]
    figure = drawn("transfer", table)
    points = [line.get_xydata()[0] for line in figure.axes[0].lines if line.get_marker() == table.styles["full"].marker]
    wanted = [np.mean([one[key] for one in full]) for key in ("source", "unseen_mean")]
    np.testing.assert_allclose(points, [wanted])
    heat = drawn("corruptions", table).axes[0].collections[0].get_array().reshape(-1, len(table.labels))
    mean = np.mean([one["corruption_mean"] for one in full])
    assert heat[-1, table.labels.index("full")] == pytest.approx(mean)
    cells = drawn("confusion", table.only("rein")).axes[0].collections[0].get_array()
    assert cells.shape == (19, 19)
    np.testing.assert_allclose(cells.sum(axis=1), 100)


def test_ladders_begin_with_the_clean_images(committed: list[RunResult]) -> None:
    table = table_of(committed, "severity")
    found = ladders(table)
    assert set(found["what"]) == {"fog", "night", "rain", "snow"}
    assert sorted(found["severity"].unique()) == [0, 1, 2, 3, 4, 5]
    run = table.results("rein")[0]
    mine = found[(found["label"] == "rein") & (found["seed"] == run.spec.seed) & (found["what"] == "night")]
    targets = scores(run).targets
    wanted = [targets["fair"].miou, *(targets[f"night-{step}"].miou for step in range(1, 6))]
    assert mine.sort_values("severity")["score"].tolist() == wanted


def test_a_clean_score_that_not_all_have_is_left_out(make_result) -> None:
    swept = [
        Target(name=f"fog-{step}", dataset="toy-east", group="corruption", corruption="fog", severity=step)
        for step in (1, 3)
    ]
    east = Target(name="east", dataset="toy-east", group="unseen")
    both = [make_result(targets=(east, *swept), done=3), make_result(targets=(*swept,), done=2, method="other")]
    assert set(ladders(table_of(both[:1]))["severity"]) == {0, 1, 3}
    assert set(ladders(table_of(both))["severity"]) == {1, 3}


def test_ranks_and_their_critical_difference() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: level + 0.1 * rng.random(14) for name, level in zip("dabc", (0, 9, 9, 3), strict=True)})
    found = ranks(table)
    assert found.critical == pytest.approx(1.25, abs=0.005)  # Demšar 2006, section 3.2.2: 4 methods on 14 data sets
    assert (found.mean["c"], found.mean["d"], list(found.mean)[2:]) == (3.0, 4.0, ["c", "d"])
    assert found.mean["a"] + found.mean["b"] == pytest.approx(3.0)
    assert found.p_value < 1e-6
    assert found.alike[0][:2] == tuple(list(found.mean)[:2])
    assert found.alike[-1] == ("c", "d")
    assert not ranks(table[["a", "d"]]).alike, "14 of 14 is no chance"
    assert ranks(pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, 1.0]})).mean == {"a": 1.5, "b": 1.5}
    with pytest.raises(ValueError, match="every score"):
        ranks(table.where(table > 0.05))


def test_the_same_results_give_the_same_bytes(committed: list[RunResult], tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    table = table_of(committed)
    first, again = (draw_kinds(["training"], [table], tmp_path / name, FORMATS).paths for name in "ab")
    assert [path.suffix for path in first] == [".png", ".svg", ".pdf"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"matplotlib" not in first[0].read_bytes()[:200].lower()
    assert dict(mpl.rcParams) == before


def apart(one: Path, other: Path) -> float:
    """How far the means of blocks of two pictures lie apart at most; 255 for another size."""
    with Image.open(one) as first, Image.open(other) as second:
        if max(abs(a - b) for a, b in zip(first.size, second.size, strict=True)) > BLOCK / 2:
            return 255
        size = tuple(min(pair) // BLOCK for pair in zip(first.size, second.size, strict=True))
        box = (0, 0, size[0] * BLOCK, size[1] * BLOCK)
        means = [np.asarray(each.convert("L").reduce(BLOCK, box=box), dtype=float) for each in (first, second)]
    return float(abs(means[0] - means[1]).max())


def test_the_readmes_pictures_are_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Up to what another version of a font or of matplotlib changes; other results change more."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m bench (plot .*--out docs/images)$", text, flags=re.MULTILINE)
    assert commands
    for command in commands:
        words = shlex.split(command)
        assert cli.main([*words[:-1], str(tmp_path), "--results", str(COMMITTED)]) == 0
    made = {path.name for path in tmp_path.iterdir()}
    shown = {name for name in re.findall(r"docs/images/([\w@.-]+\.png)", text) if name.partition("-")[0] in KINDS}
    assert made == shown
    assert len(made) == 3
    for name in made:
        picture = ROOT / "docs" / "images" / name
        assert apart(picture, tmp_path / name) <= MOST, f"{name} is not what README's commands draw: run them"
        assert picture.stat().st_size < 60_000
    less = ["--method", "rein", "--method", "full", "--results", str(COMMITTED)]
    assert cli.main([*shlex.split(commands[0])[:-1], str(tmp_path / "less"), *less]) == 0
    for path in (tmp_path / "less").iterdir():
        assert apart(path, tmp_path / path.name) > 2 * MOST, "the comparison sees when a row is missing"


def test_the_document_names_every_kind() -> None:
    text = (ROOT / "docs" / "plots.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE) == list(KINDS)


def test_wrong_use_is_one_line(make_result, per_image, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    for method in ("toy", "frozen", "full"):
        result = make_result(method=method)
        write_result(result, result_path(result.spec, results), per_image(result))

    def told(*words: str) -> str:
        assert cli.main(["plot", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    here = ("--results", str(results), "--out", str(out))
    assert "did you mean 'bars'" in told("bar", *here)
    assert "unknown --format 'gif'" in told("dots", "--format", "gif", *here)
    assert "'tou'; did you mean 'toy'" in told("dots", "--method", "tou", *here)
    assert "did you mean 'toyland'" in told("dots", "--protocol", "toylan", *here)
    assert "nothing to draw: severity of toyland, track native: nothing was scored at several" in told(
        "severity", *here
    )
    assert "it compares two rows: toy is the only one" in told("dumbbells", "--method", "toy", *here)
    assert "--target is for ranks, dumbbells, confusion" in told("dots", "--target", "east", *here)
    assert "there is no folder" in told("dots", "--results", str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("")
    assert "cannot write" in told("dots", "--results", str(results), "--out", str(tmp_path / "file" / "below"))
    (tmp_path / "empty").mkdir()
    assert "no result files below" in told("--results", str(tmp_path / "empty"))
    assert not out.exists()


def test_without_a_kind_all_that_can_be_are_drawn(
    make_result, per_image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for method in ("toy", "someone/adapter"):
        result = make_result(method=method)
        write_result(result, result_path(result.spec, tmp_path / "results"), per_image(result))
    words = ["plot", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--format", "svg"]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    names = {Path(line).name for line in said.out.splitlines()}
    kinds = set(KINDS) - {"severity", "confusion"}
    confusion = {"confusion-toyland-native-toy.svg", "confusion-toyland-native-someone-adapter.svg"}
    assert names == {f"{kind}-toyland-native.svg" for kind in kinds} | confusion
    assert said.err.startswith("not drawn: severity of toyland, track native: nothing was scored at several severities")
    assert len(said.err.splitlines()) == 1


def test_a_target_that_a_row_does_not_have_is_named(make_result) -> None:
    results = [make_result(), make_result(method="other", targets=make_result().spec.targets[:2], done=2)]
    for kind in ("dumbbells", "confusion"):
        with pytest.raises(NothingToDraw, match="no target west"):
            drawn(kind, table_of(results, targets=("west",)).only("other") if KINDS[kind].each
                  else table_of(results, targets=("west",)))  # fmt: skip


def test_drawing_needs_no_torch() -> None:
    modules = ", ".join(
        ["bench.cli_plot", "bench.report.plots.draw", *(f"bench.report.plots.{kind}" for kind in KINDS)]
    )
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["dots", "bars", "transfer", "ranks"])
def test_a_dollar_in_a_name_is_no_formula(kind: str, make_result) -> None:
    made = [make_result(method=name, seed=seed) for name in (r"a$\frac$b", "$5") for seed in (0, 1)]
    figure = drawn(kind, table_of(made))
    is_readable(figure)
    shown = " ".join(text.get_text() for text in letters(figure))
    assert r"a$\frac$b" in shown
    assert "$5" in shown


def test_rows_that_are_equal_everywhere_are_no_difference() -> None:
    found = ranks(pd.DataFrame({name: [10.0, 20.0, 30.0] for name in "abc"}))
    assert found.p_value == 1.0
    assert set(found.mean.values()) == {2.0}
    assert found.alike == [("a", "b", "c")]
