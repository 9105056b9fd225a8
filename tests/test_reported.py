"""Published figures: all of them are there as they were read, named, flagged, and never ranked."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from bench import protocols
from bench.errors import DamagedFile, PrerequisiteError
from bench.reported import FOLDER, MEAN, UNSTATED, load_reported
from bench.reported.records import COLUMNS

COLLECTED = """
causal-tune 5 243.0, clouds 7 420.9, curb 34 1489.80, da-cal 2 4.6956, famix 36 1511.81, fan 8 586.3, flex-seg
24 1164.68, geco 4 271.57, gkd 24 1159.7, hgformer 64 3073.34, hrda 28 1226.41, loca 108 6347.11, mfuser 148
8549.51, mrfp 52 1751.84, qprompt-r1 22 1247.9, querydiff 5 309.8, rein-leaderboard 10 695.49, rein-repository
25 1611.58, rein 263 14392.3, revt 36 1538.98, robustnet 15 615.05, sage 12 435.53, sbgen 80 4447.12, set 83
4273.80, soma 7 508.32, spc 25 973.55, tldr 1 46.97, vfmseg 62 4043.83, vireo 195 8935.45, vltseg 42 2924.42
"""
"""File, lines, sum of the values, of the 1,427 figures that were collected at once; later files are not in it."""
LINES_SHA256 = "57c8cbdd8d75ead55521983b2e3a8e0709df8d5796de775d9cece38869ff54a5"
"""Of their lines, sorted, joined by line feeds."""


@pytest.fixture(scope="module")
def loaded():
    return load_reported()


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the tables and one file of figures."""
    root = tmp_path / "reported"
    root.mkdir()
    for name in ("names.toml", "notes.toml", "rein.csv"):
        shutil.copy(FOLDER / name, root)
    return root


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(**fields: str) -> str:
    known = {"method": "New", "backbone": "ViT-L", "pretraining": "DINOv2", "source_datasets": "GTA5", "metric": "mIoU"}
    known |= {"target": "Cityscapes", "value": "50.0", "citation": "arXiv:0", "seen_in": "the paper"}
    stream = io.StringIO()
    csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n").writerow(known | fields)
    return stream.getvalue()


def add(root: Path, *lines: str) -> Path:
    path = root / "new.csv"
    path.write_text(",".join(COLUMNS) + "\n" + "".join(lines), encoding="utf-8")
    return path


def test_nothing_of_the_collection_is_lost(loaded) -> None:
    assert loaded.problems == []
    wanted = {name: (int(lines), Decimal(total)) for name, lines, total in map(str.split, COLLECTED.split(","))}
    found = {
        name: (len(values), sum(values))
        for name in wanted
        if (values := [figure.value for figure in loaded.figures if figure.file == f"{name}.csv"])
    }
    assert found == wanted
    assert sum(lines for lines, _ in wanted.values()) == 1427
    lines = []
    for figure in loaded.figures:  # from the records, not the files: they keep every wording
        if figure.file.removesuffix(".csv") in wanted:
            stream = io.StringIO()
            csv.writer(stream, lineterminator="").writerow(figure.printed.model_dump().values())
            lines.append(stream.getvalue())
    assert hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() == LINES_SHA256


def test_records_are_in_our_names(loaded) -> None:
    (figure,) = [
        figure
        for figure in loaded.figures
        if (figure.method, figure.backbone, figure.seen_in, figure.target)
        == ("Rein", "dinov2-large", "the paper, Table 2", "mapillary")
    ]
    assert (figure.protocol, figure.track, figure.labels, figure.sources) == (
        "gta2cbm",
        "rein-512",
        "by-name",
        ("gta5",),
    )
    assert (str(figure.value), figure.trainable_params_m, figure.year) == ("66.1", Decimal("2.99"), 2024)
    assert (figure.printed.backbone, figure.printed.source_datasets) == ("ViT-L", "GTA5")
    assert figure.origin == "reported"


def test_every_name_and_rule_is_used(loaded) -> None:
    used = {column: {getattr(figure.printed, column) for figure in loaded.figures} for column in COLUMNS}
    assert set(loaded.names.targets) == used["target"]
    assert set(loaded.names.metrics) == used["metric"]
    assert set(loaded.names.sources) == {part for text in used["source_datasets"] for part in text.split("+") if part}
    pairs = {(name, pretraining) for name, cards in loaded.names.backbones.items() for pretraining in cards}
    assert pairs == {(figure.printed.backbone, figure.printed.pretraining) for figure in loaded.figures}
    for rule in loaded.notes.rules:
        held = [figure for figure in loaded.figures if rule.holds(figure.printed, figure.mean_of or (figure.target,))]
        assert held, rule
        assert set(rule.methods) <= {figure.method for figure in held}, rule
    assert set(loaded.notes.tracks) == {figure.track for figure in loaded.figures} - {UNSTATED}


def test_a_track_is_only_what_a_note_states(loaded) -> None:
    for figure in loaded.figures:
        if figure.track == "rein-512":
            assert "Table 2" in figure.note or "slide 512/341" in figure.note
            assert set(figure.mean_of or [figure.target]) <= {"cityscapes", "bdd100k", "mapillary"}
        if figure.track == "mfuser":
            assert figure.method.startswith("MFuser"), "cited rows were tested elsewhere"
        if "conflict" in figure.flags:
            assert figure.target == "acdc-night", "the note stands beside the whole row"
    cited = [figure for figure in loaded.figures if "as cited by" in figure.note or not figure.note]
    assert {figure.track for figure in cited} == {UNSTATED}


def test_protocols_go_by_sources_and_targets(loaded) -> None:
    for figure in loaded.figures:
        if figure.protocol:
            protocol = loaded.names.protocols[figure.protocol]
            assert set(figure.sources) == set(protocol.sources)
            assert "saw target" not in figure.flags
            assert figure.target != MEAN or set(figure.mean_of) == set(protocol.targets)
    counts = Counter(figure.protocol for figure in loaded.figures)
    assert counts["gta2cbm"] >= 718
    assert counts["city2acdc"] >= 112


def test_targets_are_called_as_in_the_protocols_that_are_here(loaded) -> None:
    """Else published rows would stand in columns of their own, beside the measured ones of the same target."""
    for name in set(protocols.names()) & set(loaded.names.protocols):
        groups = {target.name: target.group for target in protocols.load_protocol(name).all_targets()}
        theirs = loaded.names.protocols[name]
        assert {target: groups.get(target) for target in theirs.targets} == dict.fromkeys(theirs.targets, theirs.group)


def test_misprints_are_those_that_the_readers_noted(loaded) -> None:
    """Computed from the figures here, noted by who read the tables: the two must agree, both ways."""
    computed = {figure.printed for figure in loaded.figures if "misprint" in figure.flags}
    noted = {figure.printed for figure in loaded.figures if "ARITHMETIC" in figure.note}
    assert computed == noted, "a misprint has ARITHMETIC and what was found in its note, and nothing else has"
    assert len(computed) >= 6
    assert {str(figure.value) for figure in loaded.figures if figure.printed in computed} >= {"66.7", "60.0", "68.74"}


@pytest.mark.parametrize(
    ("columns", "mean", "wrong"),
    [
        (("50.1", "50.2", "50.3"), "50.3", False),  # 0.1 away: each may be rounded by half a unit, the mean too
        (("50.1", "50.2", "50.3"), "50.4", True),
        (("50.10", "50.20", "50.30"), "50.21", False),
        (("50.10", "50.20", "50.30"), "50.22", True),
        (("50.10", "50.20", "50.30"), "50.2", False),
        (("50.1", "50.2"), "60.0", False),  # a column is missing: nothing to say
    ],
)
def test_a_mean_must_follow_from_its_columns(folder, columns, mean, wrong) -> None:
    targets = ("Cityscapes", "BDD100K", "Mapillary")
    lines = [line_of(target=target, value=value) for target, value in zip(targets, columns, strict=False)]
    add(folder, *lines, line_of(target="Avg(C,B,M)", value=mean))
    flags = [figure.flags for figure in load_reported(folder).figures if figure.file == "new.csv"]
    assert flags == [()] * len(columns) + [("misprint",) if wrong else ()]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"value": "5o.1"}, "value: "),
        ({"value": ""}, "value: "),
        ({"value": "nan"}, "value: "),
        ({"value": "651.0"}, "an mIoU of 651.0 percent"),
        ({"year": "24"}, "year: "),
        ({"citation": ""}, "citation: "),
        ({"method": ""}, "method: "),
        ({"target": "Cityscape"}, "unknown target 'Cityscape'; did you mean 'Cityscapes'?"),
        ({"source_datasets": "GTA5+SYNTHA"}, "unknown source data set 'SYNTHA'; did you mean 'SYNTHIA'?"),
        ({"backbone": "ViT-XL"}, "unknown backbone 'ViT-XL'"),
        ({"pretraining": "DINOv7"}, "unknown pre-training of backbone 'ViT-L' 'DINOv7'"),
        ({"metric": "IoU"}, "unknown metric 'IoU'; did you mean 'mIoU'?"),
        ({"value": "50.0"}, "the same as line 2 of new.csv"),
    ],
)
def test_a_damaged_line_is_named_and_left_out(folder, fields, reason) -> None:
    path = add(folder, line_of(), line_of(**fields), line_of(target="BDD100K"))
    loaded = load_reported(folder)
    (problem,) = loaded.problems
    assert str(problem).startswith(f"damaged file {path}: line 3: ")
    assert reason in str(problem)
    assert "\n" not in str(problem)
    assert [figure.line for figure in loaded.figures if figure.file == "new.csv"] == [2, 4]


def test_a_damaged_file_is_named(folder) -> None:
    whole = len(load_reported(folder).figures)
    path = add(folder, "a,b\n", line_of())
    (problem,) = load_reported(folder).problems
    assert str(problem) == f"damaged file {path}: line 2: 2 cells for 13 columns"
    for content in (b"method,value\n", b"", ",".join(COLUMNS).encode() + b'\n"open', b"\xff\xfe\n"):
        path.write_bytes(content)
        loaded = load_reported(folder)
        assert [problem.path for problem in loaded.problems] == [path], content
        assert len(loaded.figures) == whole


def test_a_file_from_a_spreadsheet_is_read(folder) -> None:
    path = add(folder, line_of())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_reported(folder).problems == []


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("names.toml", '"dinov2-large"', '"dinov2-lrge"', "there is no backbone card 'dinov2-lrge'"),
        ("names.toml", "metrics", "metrix", "metrics: "),
        ("names.toml", "metrics =", "metrics", "line"),
        ("notes.toml", 'track = "rein-512"', 'track = "rein-51"', "a rule names the track 'rein-51'"),
        ("notes.toml", 'flag = "suspect"', 'flag = "odd"', "flag"),
    ],
)
def test_a_damaged_table_is_an_error(folder, file, old, new, reason) -> None:
    rewrite(folder / file, old, new)
    with pytest.raises(DamagedFile, match=re.escape(str(folder / file))) as caught:
        load_reported(folder)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rules_that_contradict_each_other_are_named(folder) -> None:
    with (folder / "notes.toml").open("a", encoding="utf-8") as stream:
        stream.write('\n[[rules]]\nstates = "SemFPN head"\ntrack = "clouds"\n')
    problems = load_reported(folder).problems
    assert len(problems) == 24
    assert "the note leaves the track open: clouds or rein-512" in str(problems[0])


def test_a_folder_that_is_not_there(tmp_path) -> None:
    with pytest.raises(PrerequisiteError, match="no folder of reported figures"):
        load_reported(tmp_path / "none")
