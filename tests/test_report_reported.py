"""Published rows in the leaderboard: marked, in their own order, never in a table of another track."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from pathlib import Path

import pytest

from bench import cli
from bench.report.board import write_leaderboard
from bench.report.reported import EXTRA, published
from bench.report.series import series
from bench.report.tables import comma_separated, markdown
from bench.reported import MEAN, load_reported
from bench.result import load_all
from bench.spec import Target, Track

COMMITTED = Path(__file__).resolve().parent.parent / "results"
CBM = ("cityscapes", "bdd100k", "mapillary")


@pytest.fixture(scope="module")
def theirs():
    return published(load_reported())


@pytest.fixture
def measured(make_result):
    """Two runs of a protocol that has published rows, on a track that has some and on one that has none."""
    targets = (Target(name="gta-val", dataset="toy-home", group="source"),)
    targets += tuple(Target(name=name, dataset="toy-east", group="unseen") for name in CBM)

    def make(track: str, **fields):
        return make_result(protocol="gta2cbm", targets=targets, track=Track(name=track), done=4, **fields)

    return [make("rein-512"), make("rein-512", method="better"), make("native")]


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands below it."""
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text: str) -> list[list[str]]:
    """The first table of a section: the one of classes, if any, stands below it."""
    lines = itertools.dropwhile(lambda line: line[:1] != "|", text.splitlines())
    rows = itertools.takewhile(lambda line: line[:1] == "|", lines)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_published_rows_stand_below_the_measured_ones(measured, theirs) -> None:
    alone, whole = (sections(markdown(series(measured), measured, beside)) for beside in (None, theirs))
    before, after = (table(found["gta2cbm, track rein-512"]) for found in (alone, whole))
    assert after[: len(before)] == before, "the measured rows are those of a leaderboard without"
    header, rows = after[0], after[len(before) :]
    where = header.index("measured on")
    assert rows
    assert all(cells[where].startswith("reported: ") for cells in rows)
    assert not any("reported" in cell for cells in before for cell in cells)
    (rein,) = [cells for cells in rows if cells[1:3] == ["Rein", "dinov2-large"] and "Table 2" in cells[where]]
    found = dict(zip(header, rein, strict=True))
    assert [found[name] for name in ("unseen mean", *CBM, "trainable")] == ["64.3", "66.4", "60.4", "66.1", "2.99 M"]
    assert [found[name] for name in ("source", "unseen worst", "GFLOPs", "latency, ms", "seeds")] == ["-"] * 5
    assert "arXiv:2312.04265v1" in found["measured on"]


def test_no_table_holds_two_tracks(measured, theirs) -> None:
    whole = sections(markdown(series(measured), measured, theirs))
    expected = {f"{protocol}, track {track}, reported only" for protocol, track in theirs.places()}
    expected -= {"gta2cbm, track rein-512, reported only"}
    assert set(whole) == expected | {"gta2cbm, track rein-512", "gta2cbm, track native"}
    for heading, text in whole.items():
        protocol, track = heading.split(", ")[0], heading.split(", ")[1].removeprefix("track ")
        there = theirs.at((protocol, track))
        assert all((f.protocol, f.track) == (protocol, track) for row in there for f in row.scores.values())
        shown = [cells for cells in table(text)[2:] if any("reported: " in cell for cell in cells)]
        assert len(shown) == len(there), heading


def test_published_rows_are_not_ranked(measured, theirs) -> None:
    for _, rows in itertools.groupby(theirs.rows, key=lambda row: row.place):
        places = [(row.first.file, row.first.line) for row in rows]
        assert places == sorted(places)
    header, _, *rows = table(sections(markdown(series(measured), measured, theirs))["gta2cbm, track rein-512"])
    means = [float(cells[header.index("unseen mean")].split()[0]) for cells in rows]
    assert means != sorted(means, reverse=True)


def test_every_figure_of_a_protocol_is_shown_as_printed(theirs) -> None:
    loaded = load_reported()
    wanted = [figure for figure in loaded.figures if figure.protocol and figure.metric == "mIoU"]
    shown = [figure for row in theirs.rows for figure in row.scores.values()]
    assert sorted(map(id_of, shown)) == sorted(map(id_of, wanted))
    assert theirs.left_out == len(loaded.figures) - len(wanted)
    text = sections(markdown([], [], theirs))
    for row in theirs.rows:
        header, _, *rows = table(text[f"{row.first.protocol}, track {row.first.track}, reported only"])
        cells = dict(zip(header, rows[theirs.at(row.place).index(row)], strict=True))
        for figure in row.scores.values():
            names = {"source", "unseen mean", "weather mean", "corruption mean", figure.target.replace("_", " ")}
            printed = [cells[name].split(" (")[0] for name in names & set(cells)]
            assert figure.printed.value in printed
            assert all(flag in " ".join(cells.values()) for flag in figure.flags)


def id_of(figure) -> tuple[str, int]:
    return figure.file, figure.line


def test_means_and_the_sources_own_score_have_columns_of_their_own(theirs) -> None:
    for row in theirs.rows:
        for column, figure in row.scores.items():
            if figure.target == MEAN:
                group = {"city2acdc": "weather", "city2c": "corruption"}.get(figure.protocol, "unseen")
                assert column == f"{group}_mean"
            else:
                assert column == ("source" if figure.target in figure.sources else f"target:{figure.target}")


def test_notes_stand_below_and_what_they_share_only_once(theirs) -> None:
    for row in theirs.rows:
        assert {figure.note.startswith("".join(row.notes[:1])) for figure in row.scores.values()} == {True}, row.notes
    text = sections(markdown([], [], theirs))["city2bm, track rein-512, reported only"]
    notes = [line for line in text.splitlines() if re.match(r"\d+\. ", line)]
    assert len(notes) == 2
    assert notes[1].startswith("2. ARITHMETIC: printed 66.7")
    (frozen,) = [cells for cells in table(text) if "66.7 (misprint)" in cells]
    assert frozen[-1].endswith("[1, 2]")


def test_csv_has_both_and_says_which(measured, theirs) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(series(measured), theirs))))
    plain = list(csv.DictReader(io.StringIO(comma_separated(series(measured)))))
    assert [row["origin"] for row in rows] == ["measured"] * 3 + ["reported"] * len(theirs.rows)
    for row, without in zip(rows, plain, strict=False):
        assert {key: row[key] for key in without} == without
    (rein,) = [
        row
        for row in rows
        if (row["method"], row["backbone"], row["seen_in"]) == ("Rein", "dinov2-large", "the paper, Table 2")
    ]
    assert (rein["protocol"], rein["track"]) == ("gta2cbm", "rein-512")
    assert (rein["target:cityscapes_mean"], rein["unseen_mean_mean"]) == ("66.4", "64.3")
    assert (rein["published_backbone"], rein["published_trainable_m"]) == ("ViT-L, DINOv2", "2.99")
    assert rein["mapillary_labels"] == "by-name"
    assert (rein["seeds"], rein["trainable_params_mean"], rein["target:cityscapes_std"]) == ("", "", "")
    for row, source in zip(rows[3:], theirs.rows, strict=True):
        printed = {f"{column}_mean": figure.printed.value for column, figure in source.scores.items()}
        assert {name: row[name] for name in printed} == printed
    (misprint,) = [row for row in rows if row["unseen_mean_mean"] == "66.7" and "Table 5" in row["seen_in"]]
    assert misprint["flags"] == "unseen_mean: misprint"
    assert set(EXTRA) <= set(rein)
    assert not set(EXTRA) & set(plain[0])


def test_same_bytes_each_time_and_none_without_the_option(tmp_path, measured) -> None:
    texts = []
    for number in range(2):
        root = tmp_path / str(number)
        root.mkdir()
        paths = write_leaderboard(measured[:: -1 if number else 1], root, published(load_reported()))
        texts.append([path.read_bytes() for path in paths])
        assert all(text.endswith(b"\n") and b"\r" not in text for text in texts[-1])
    assert texts[0] == texts[1]
    committed = load_all(COMMITTED).results
    for path in write_leaderboard(committed, COMMITTED, into=tmp_path):
        assert path.read_bytes() == (COMMITTED / path.name).read_bytes()
        assert b"reported" not in path.read_bytes()


def test_report_reported_needs_no_run(capsys, tmp_path) -> None:
    assert cli.main(["report", "--results", str(tmp_path)]) == 2
    assert "no result files" in capsys.readouterr().err
    out = tmp_path / "tables"
    assert cli.main(["report", "--results", str(tmp_path), "--reported", "--strict", "--out", str(out)]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [str(out / f"leaderboard.{kind}") for kind in ("md", "csv", "tex")]
    assert output.err == ""
    text = (out / "leaderboard.md").read_text(encoding="utf-8")
    assert "## gta2cbm, track rein-512, reported only" in text


def test_ls_reported_has_every_figure(capsys) -> None:
    assert cli.main(["ls", "reported", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(load_reported().figures)
    assert {row["origin"] for row in rows} == {"reported"}
    assert {"name", "summary", "value", "printed", "flags"} <= set(rows[0])
