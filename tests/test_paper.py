"""LaTeX tables: each fits a page of two columns, shows what is best, and has published rows marked."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.report.board import Board, leaderboard, write_board
from bench.report.latex import latex
from bench.report.layout import LINES, WIDTH, PaperTable, parts, text_width
from bench.report.paper import paper_tables
from bench.report.reported import published
from bench.report.scored import read_scored, score_all
from bench.report.series import series
from bench.reported import load_reported

COMMITTED = Path(__file__).resolve().parent.parent / "results"
PDFLATEX = shutil.which("pdflatex")


@pytest.fixture(scope="module")
def board() -> Board:
    return leaderboard(read_scored(COMMITTED).scored, COMMITTED)


@pytest.fixture(scope="module")
def theirs():
    return published(load_reported())


@pytest.fixture(scope="module")
def both(board: Board, theirs) -> list[PaperTable]:
    """Of the committed results, with everything that was published."""
    return paper_tables(board.rows, board.standings, board.scored, theirs)


def a_table(columns: int = 3, rows: int = 4, **fields) -> PaperTable:
    header = ["method", *(f"target {number}" for number in range(columns))]
    cells = [["rein", *["36.1 ± 0.3"] * columns] for _ in range(rows)]
    made = PaperTable("t", "Scores.", 1, header, "l" + "r" * columns, cells, [columns])
    return made._replace(**fields)


def lines_of(text: str) -> list[list[str]]:
    """The cells of each row of a single table, as they are set."""
    body = text.split(r"\midrule", 1)[1].split(r"\bottomrule")[0]
    return [line.removesuffix(r" \\").split(" & ") for line in body.splitlines() if line.endswith(r"\\")]


def test_every_table_fits_a_page(both: list[PaperTable]) -> None:
    every = [part for table in both for part in parts(table)]
    assert len(every) > len(both) > 20
    assert max(part.width for part in every) <= WIDTH + 1e-6
    for table in both:
        assert {column for part in parts(table) for column in part.columns} == set(range(len(table.header)))
        shown = {row for part in parts(table) for row in part.rows}
        assert shown == set(range(len(table.rows))), table.label


def test_columns_that_belong_together_stay_together() -> None:
    for blocks, wanted in (([5, 4, 3], [12]), ([5, 5, 4], [10, 4]), ([4, 9, 1], [4, 10]), ([26], [8, 9, 9])):
        found = parts(a_table(columns=sum(blocks), blocks=blocks))
        assert [len(part.columns) - 1 for part in found] == wanted


def test_long_text_is_broken_and_narrow_columns_tried_before_a_split() -> None:
    long = a_table(columns=9, rows=1)._replace(rows=[["clouds (images=0, segmenter=none)", *["36.1 ± 0.3"] * 9]])
    (part,) = parts(long)
    assert part.broken == {0}
    text = latex([long])
    assert rf">{{\raggedright\arraybackslash}}p{{{part.widths[0]:.0f}pt}}" in text
    assert r"images=\allowbreak{}0" in text


def test_words_are_not_broken() -> None:
    table = a_table(columns=9, rows=1)._replace(rows=[["x" * 40 + " (a=1)", *["36.1 ± 0.3"] * 9]])
    assert all(part.widths[0] >= text_width("x" * 40) for part in parts(table))
    assert max(part.width for part in parts(table)) <= WIDTH + 1e-6


def test_long_tables_go_on_and_say_so() -> None:
    table = a_table(rows=100)
    pieces = parts(table)
    assert [len(part.rows) for part in pieces] == [34, 33, 33]
    assert max(len(part.rows) for part in pieces) <= LINES
    text = latex([table])
    assert re.findall(r"\(Part (\d) of 3\.\)", text) == ["1", "2", "3"]
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:t", "tab:t-2", "tab:t-3"]


def test_what_is_best_is_bold_and_what_ties_with_it(board: Board) -> None:
    tables = {table.label: table for table in paper_tables(board.rows, board.standings, board.scored)}
    table = tables["streets-native-scores"]
    ahead = [row for row in board.rows if row.keys["protocol"] == "streets"]
    for column, name in (
        ("source", "source"),
        ("corruption drop ↓", "corruption_drop"),
        ("unseen ECE ↓", "unseen_ece"),
    ):
        best = (min if "↓" in column else max)(round(row.stats[name].mean, 1) for row in ahead)
        wanted = {number for number, row in enumerate(ahead) if round(row.stats[name].mean, 1) == best}
        assert {row for row, place in table.bold if place == table.header.index(column)} == wanted
    standing = board.standings["streets", "native"]
    tied = {place for tie in standing.ties for place in tie[:2] if 0 in tie[:2]} | {0}
    assert len(tied) > 1
    assert {row for row, place in table.bold if place == table.header.index("unseen mean")} == tied
    assert "so that 1= is the first place shared" in table.caption
    assert r"\textbf{" in latex([table])


def test_nothing_is_best_of_one(make_result) -> None:
    rows = series([make_result()])
    tables = paper_tables(rows, {}, score_all([make_result()]))
    assert [table.bold for table in tables] == [frozenset()] * len(tables)
    assert "(1)" in tables[0].rows[0]
    assert "In brackets: the place by the mean alone" in tables[0].caption


def test_means_over_other_corruptions_are_not_compared(make_result, make_spec) -> None:
    first = make_spec().targets
    other = (*first[:-1], first[-1].model_copy(update={"severity": 5}))
    results = [make_result(method="a"), make_result(method="b"), make_result(method="c", targets=other)]
    for kept, compared in ((results[:2], True), (results, False)):
        tables = paper_tables(series(kept), {}, score_all(kept))
        for table in tables[:2]:
            bold = {table.header[place].split(" ↓")[0] for _, place in table.bold}
            assert ("corruption mean" in bold) == compared, table.label
        assert "unseen mean" in {tables[0].header[place] for _, place in tables[0].bold}


def test_published_rows_are_in_marked_and_unranked(make_result, theirs) -> None:
    from bench.spec import Target, Track

    names = ("cityscapes", "bdd100k", "mapillary")
    targets = (Target(name="gta-val", dataset="toy-home", group="source"),)
    targets += tuple(Target(name=name, dataset="toy-east", group="unseen") for name in names)
    result = make_result(protocol="gta2cbm", targets=targets, track=Track(name="rein-512"), done=4)
    tables = paper_tables(series([result]), {}, score_all([result]), theirs)
    table, targets = (t for t in tables if t.label in ("gta2cbm-rein-512-scores", "gta2cbm-rein-512-targets"))
    there = theirs.at(("gta2cbm", "rein-512"))
    means = sum("unseen_mean" in row.scores for row in there)
    assert len(table.rows) == 1 + means == 1 + len(there)
    assert 1 < len(targets.rows) < 1 + len(there), "some print a mean alone"
    assert table.rule == targets.rule == 1
    assert [row[0] for row in table.rows] == ["(1)", *[""] * len(there)]
    assert not any("†" in cell for cell in table.rows[0])
    assert all(row[1].endswith("†") for row in table.rows[1:])
    rein = next(row for row in table.rows if row[1] == "Rein†" and row[2] == "dinov2-large")
    found = dict(zip(table.header, rein, strict=True))
    assert found["unseen mean"] == "64.3"
    of_target = dict(zip(targets.header, next(row for row in targets.rows if row[1:4] == rein[1:4]), strict=True))
    assert [of_target[name] for name in ("method", *names)] == ["Rein†", "66.4", "60.4", "66.1"]
    assert (found["reported by"], found["trainable (M)"], found["source"]) == ("arXiv:2312.04265v1", "2.99", "--")
    assert "†: reported by its source" in table.caption
    text = latex([table])
    assert text.count(r"\midrule") == text.count(r"\begin{table*}") + 1, (
        "one below the header, one above what is reported"
    )
    assert r"Rein$^\dagger$" in text


def test_every_published_figure_of_a_protocol_is_in_a_table(both: list[PaperTable], theirs) -> None:
    shown = [cell.rstrip("‡") for table in both for row in table.rows if "†" in "".join(row[:2]) for cell in row]
    for row in theirs.rows:
        for figure in row.scores.values():
            assert str(figure.value) in shown
    marked = sum(cell.endswith("‡") for table in both for row in table.rows for cell in row)
    assert marked == sum(bool(figure.flags) for row in theirs.rows for figure in row.scores.values())


def test_rows_without_a_figure_in_a_part_are_left_out_of_it() -> None:
    rows = [["a", *["36.1 ± 0.3"] * 9, *["--"] * 9], ["b", *["--"] * 9, *["36.1 ± 0.3"] * 9]]
    table = a_table(columns=18, blocks=[9, 9])._replace(rows=rows)
    assert [part.rows for part in parts(table)] == [[0], [1]]


def test_the_text_is_latex(make_result) -> None:
    results = [make_result(seed=seed) for seed in range(3)]
    results = [result.model_copy(update={"settings": {"a_b": "50%"}}) for result in results]
    text = latex(paper_tables(series(results), {}, score_all(results)))
    assert text.isascii()
    assert r"toy (a\_b=50\%)" in text
    for package in ("array", "booktabs", "graphicx"):
        assert package in text.splitlines()[0]
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == text.count(r"\label{") == 4
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == [f"tab:toyland-native-{topic}" for topic in ("scores", "corruptions", "classes", "cost")]
    for part in text.split(r"\begin{table*}")[1:]:
        columns = part.split(r"\begin{tabular}")[1].split("@{}}")[0].removeprefix("{@{}")
        columns = re.sub(r">\{.*?\}p\{\w+\}", "p", columns)
        (cells,) = lines_of(part)
        assert len(cells) == len(columns)
    assert "36.1" not in text
    assert re.search(r"\d\{\\scriptsize\$\\pm\$\d+\.\d\}", text)
    assert text.count(r"\rotatebox{90}{") == 3 + 2  # three classes, one corruption and the mean of it


def test_letters_that_pdflatex_does_not_know_are_told() -> None:
    plain = latex([a_table(columns=1, rows=1)._replace(rows=[["Müller ± 1 †", "1"]])])
    assert "lualatex" not in plain
    rare = latex([a_table(columns=1, rows=1)._replace(rows=[["方法 α-α", "1"]])])
    assert "% pdflatex does not know α方法: use lualatex" in rare


def test_no_character_is_taken_for_a_command() -> None:
    text = latex([a_table(columns=1, rows=1)._replace(rows=[["[a]<b>|c&d%e$f#g_h{i}~^\\", "1"]])])
    (cells,) = lines_of(text)
    assert cells[0].replace(r"\allowbreak{}", "") == (
        r"{[}a]$<$b$>$$|$c\&d\%e\$f\#g\_h\{i\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def test_missing_pairs_span_the_columns(make_result) -> None:
    there = [("a", "one"), ("a", "two"), ("b", "one")]
    results = [make_result(method=method, backbone=backbone) for method, backbone in there]
    text = latex(paper_tables(series(results), {}, score_all(results)))
    (line,) = [line for line in text.splitlines() if "missing" in line]
    assert re.fullmatch(r" & b & two & \\multicolumn\{\d+\}\{c\}\{missing\} & 0 \\\\", line)


def test_widths_are_those_of_computer_modern() -> None:
    """Measured by TeX in footnotesize."""
    measured = {"36.1": 15.1, "trainable (M)": 50.3, "eva02-mini": 39.9, "GFLOPs": 33.3, "dinov2-large": 45.3}
    measured |= {"36.1 ± 0.3": 31.6, "ViT-L, CLIP": 48.5, "Mask2Former†": 54.6}
    for text, points in measured.items():
        assert points <= text_width(text) <= 1.06 * points, text
    assert 17.4 <= text_width("36.1", True) <= 18.0


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex on this machine")
def test_it_compiles_without_an_overfull_box(board: Board, theirs, tmp_path: Path) -> None:
    (tex,) = [path for path in write_board(board, tmp_path, theirs) if path.suffix == ".tex"]
    opens, closes = r"\begin{tabular}", r"\end{tabular}"
    measured = tex.read_text().replace(opens, r"\setbox0=\hbox{" + opens)
    measured = measured.replace(closes, closes + r"}\typeout{WIDTH=\the\wd0}\noindent\box0 ")
    preamble = (
        r"\documentclass[10pt,twocolumn]{article}\usepackage[letterpaper,textwidth=497pt,textheight=640pt]{geometry}"
    )
    preamble += r"\usepackage{array,booktabs,graphicx}\begin{document}\extrafloats{200}"
    (tmp_path / "paper.tex").write_text(preamble + "\n" + measured + "\n\\end{document}\n")
    assert PDFLATEX is not None
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    for complaint in ("Overfull", "Float too large", "Missing character"):
        assert complaint not in done.stdout
    widths = [float(points) for points in re.findall(r"WIDTH=([\d.]+)pt", done.stdout)]
    every = [part for table in paper_tables(board.rows, board.standings, board.scored, theirs) for part in parts(table)]
    assert len(widths) == len(every)
    for points, part in zip(widths, every, strict=True):
        assert points <= part.width, "an estimate is not below what it takes"
    assert max(widths) < WIDTH
