"""What `plot` draws of what it is given: the best of many rows, nothing of damaged files, and it says so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from readable import COMMITTED, is_readable, letters, table_of
from readable import drawn as picture_of

from bench import cli
from bench.errors import DamagedFile
from bench.per_image import read_per_image
from bench.report import theme
from bench.report.plots import KINDS
from bench.report.plots.corruptions import draw
from bench.report.plots.draw import draw_kinds
from bench.report.theme import NothingToDraw
from bench.result import RunResult, load_all, result_path, write_result

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def crowd(make_result) -> list[RunResult]:
    """Thirty rows of one protocol."""
    return [make_result(method=f"method-{n % 5}", backbone=f"vit-{n // 5}", seed=0) for n in range(30)]


@pytest.fixture
def save(per_image):
    """Write results below a folder."""

    def write(results: list[RunResult], root: Path) -> list[Path]:
        paths = [result_path(result.spec, root) for result in results]
        for result, path in zip(results, paths, strict=True):
            write_result(result, path, per_image(result))
        return paths

    return write


def test_of_many_rows_the_best_are_drawn_and_it_is_said(crowd, save, tmp_path: Path, capsys) -> None:
    save(crowd, tmp_path / "results")
    here = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--format", "svg"]
    assert cli.main(["plot", "dots", "bars", "training", *here]) == 0
    said = capsys.readouterr()
    place = "toyland, track native"
    assert said.err.splitlines() == [
        f"{place}: 8 of 30 rows drawn: the best (bars, training); --top K, --method, --backbone choose others",
        f"{place}: 12 of 30 rows drawn: the best (dots); --top K, --method, --backbone choose others",
    ]
    assert cli.main(["plot", "dots", "--top", "3", *here]) == 0
    assert f"{place}: 3 of 30 rows drawn: the best (dots)" in capsys.readouterr().err
    assert cli.main(["plot", "dots", "--top", "30", *here]) == 0
    assert not capsys.readouterr().err
    assert cli.main(["plot", "dots", "--top", "0", *here]) == 2


def test_the_picture_names_how_many_rows_there_are_and_has_the_best(crowd) -> None:
    table = table_of(crowd)
    assert table.best(4).labels == table.labels[:4]
    figure = picture_of("dots", table.best(4))
    texts = " ".join(text.get_text().replace("\n", " ") for text in letters(figure))
    assert "the best 4 of 30 rows" in texts
    assert all(label in texts for label in table.labels[:4])
    assert table.labels[4] not in texts
    assert "rows" not in table.note()


@pytest.mark.parametrize("kind", [kind for kind, known in KINDS.items() if kind not in ("severity", "corruptions")])
def test_what_is_drawn_of_many_rows_is_readable_and_told_apart(kind: str, crowd) -> None:
    table = table_of(crowd).best(KINDS[kind].most)
    assert len({(s.colour, s.marker, s.face, s.fill) for s in table.styles.values()}) == len(table.labels)
    is_readable(picture_of(kind, table.only(table.labels[0]) if KINDS[kind].each else table))


def test_a_picture_that_cannot_be_drawn_is_not_begun(crowd, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(theme, "TALLEST", 3.0)
    with pytest.raises(NothingToDraw, match=r"[56] inches high: choose fewer rows with --top"):
        picture_of("dots", table_of(crowd[:12]))
    drawn = draw_kinds(["dots"], [table_of(crowd)], tmp_path, ["svg"], top=12)
    assert not drawn.paths
    assert "inches high" in drawn.not_drawn[0]


def test_a_heat_map_of_many_rows_keeps_no_picture_for_each(monkeypatch) -> None:
    """As seaborn does to see whether names overlap: 200 times 100 MB."""
    asked: list[int] = []
    own = Figure._get_renderer
    monkeypatch.setattr(Figure, "_get_renderer", lambda self: asked.append(1) or own(self))
    with theme.themed():
        draw(table_of(load_all(COMMITTED).results))
    assert not asked


def test_dumbbells_are_of_the_two_best_and_say_which(crowd, save, tmp_path: Path, capsys) -> None:
    save(crowd[:4], tmp_path / "results")
    here = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--format", "svg"]
    assert cli.main(["plot", "dumbbells", "--top", "4", *here]) == 0
    first, second = table_of(crowd[:4]).labels[:2]
    (line,) = capsys.readouterr().err.splitlines()
    assert f"2 of 4 rows drawn: the best, {first} and {second} (dumbbells); --method, --backbone choose others" in line
    assert cli.main(["plot", "dumbbells", "--method", "method-2", *here]) == 2
    assert "it compares two rows: method-2 is the only one" in capsys.readouterr().err


def test_a_damaged_file_is_named_and_the_rest_is_drawn(make_result, save, tmp_path: Path, capsys) -> None:
    root = tmp_path / "results"
    paths = save([make_result(method=method) for method in ("sound", "also", "spoilt", "cut")], root)
    with np.load(paths[2].with_suffix(".npz")) as archive:
        arrays = dict(archive)
    arrays["east"][0, 0, 0] += 1
    np.savez_compressed(paths[2].with_suffix(".npz"), **arrays)
    paths[3].with_suffix(".npz").write_bytes(paths[3].with_suffix(".npz").read_bytes()[:100])
    words = ["dots", "dumbbells", "--results", str(root), "--out", str(tmp_path / "out"), "--format", "svg"]
    assert cli.main(["plot", *words]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    for path, what in zip(paths[2:], ("do not fit each other: 'east' does not add", "damaged file"), strict=True):
        (line,) = [line for line in said.err.splitlines() if path.with_suffix("").as_posix() in line]
        assert what in line
        assert line.startswith("warning: ")
    drawing = (tmp_path / "out" / "dots-toyland-native.svg").read_text(encoding="utf-8")
    assert "sound" in drawing
    assert not any(name in drawing for name in ("spoilt", "cut"))


def test_a_result_that_was_edited_and_its_counts_are_both_named(make_result, save, tmp_path: Path) -> None:
    result = make_result()
    (path,) = save([result], tmp_path)
    targets = {name: target.model_copy(update={"images": 1}) for name, target in result.targets.items()}
    both = f"{path.with_suffix('.npz')} and {path.name} do not fit each other"
    with pytest.raises(DamagedFile) as found:
        read_per_image(path, result.model_copy(update={"targets": targets}))
    assert str(found.value) == f"{both}: 'source' does not add up, 2 images in the one, 1 in the other"


def test_targets_that_only_one_protocol_has(make_result, save, tmp_path: Path, capsys) -> None:
    fewer = make_result().spec.targets[:2]
    results = [make_result(method=m, protocol=p, **f) for m in ("toy", "frozen")
               for p, f in (("toyland", {}), ("smalland", {"targets": fewer, "done": 2}))]  # fmt: skip
    save(results, tmp_path / "results")
    here = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--format", "svg"]
    assert cli.main(["plot", "confusion", "--target", "west", *here]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert said.err == "smalland, track native, has no target west and is left out\n"
    assert cli.main(["plot", "confusion", "--target", "west", "--protocol", "smalland", *here]) == 2
    assert "has no target west" in capsys.readouterr().err


def test_a_kind_that_was_asked_for_and_is_not_there_is_a_failure(crowd, save, tmp_path: Path, capsys) -> None:
    save(crowd[:2], tmp_path / "results")
    here = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--format", "svg"]
    assert cli.main(["plot", "dots", "severity", *here]) == 2
    said = capsys.readouterr()
    assert said.out.count("dots-toyland") == 1
    assert said.err.splitlines()[0].startswith("not drawn: severity of toyland, track native: nothing was scored")
    assert said.err.splitlines()[1] == "error: there is no picture of the kind severity: see above"


def commands() -> list[str]:
    """Every `plot` that the documents show."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
    found = re.findall(r"^python -m bench (plot\b.*)$", "\n".join(texts), flags=re.MULTILINE)
    return list(dict.fromkeys(re.sub(r" --(results|out) \S+", "", command) for command in found))


@pytest.mark.parametrize("command", commands())
def test_the_documented_commands_draw_what_they_say(command: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(theme, "DPI", 40)
    monkeypatch.setattr(theme, "SHOWN", ("png",))
    words = [*shlex.split(command), "--results", str(COMMITTED), "--out", str(tmp_path)]
    assert cli.main(words) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    drawn = {path.name.partition("-")[0] for path in tmp_path.iterdir()}
    named = [word for word in words[1:] if word in KINDS]
    assert drawn == set(named or KINDS)
    assert "--protocol" not in words or "not drawn" not in said.err
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width == round(theme.COLUMN * 40)


def test_the_documents_show_the_commands() -> None:
    assert len(commands()) >= 6
    assert any("dumbbells" in command for command in commands())
