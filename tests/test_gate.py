"""The regression gate, end to end at its smallest: it passes on what is, and catches what is planted."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import quick
from plants import (
    all_but_the_adapter,
    flipped_without_its_label,
    freeze_all_but_one,
    not_normalised,
    shifted,
    stitched_8_px_off,
    ten_times_the_rate,
    without_softmax,
    without_softmax_in_training,
)

from bench import cli, inference, protocols, train
from bench.data import stream, streets
from bench.gate.baseline import Budget, read_baseline
from bench.gate.check import subject, update
from bench.gate.quick import Place, Subject, folder
from bench.models.vit import Normalised
from methods import rein

PROTOCOL = """
summary = "One target of each group."
sources = ["streets-source"]
backbones = { eva02 = "eva02-mini" }
targets = [
  { name = "source", dataset = "streets-source-val", group = "source" },
  { name = "harbour", dataset = "streets-harbour", group = "unseen" },
]
[corruptions]
dataset = "streets-harbour"
types = ["contrast"]
[tracks.native]
[recipe]
batch_size = 1
crop = [64, 128]
short_edges = [128]
lr = 2e-3
[head]
hidden = 32
num_queries = 8
encoder_layers = 1
encoder_ffn = 16
decoder_layers = 1
decoder_ffn = 16
heads = 2
loss_points = 64
[methods.rein]
linked = false
"""


@contextlib.contextmanager
def small_protocol(root: Path) -> Iterator[None]:
    """The protocol `small` is there meanwhile, in a folder below `root`, and costs are measured shortly."""
    shutil.copytree(protocols.FOLDER, root / "protocols")
    (root / "protocols" / "small.toml").write_text(PROTOCOL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "FOLDER", root / "protocols")
        quick(patch)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the baseline `small.json` of Rein and the frozen backbone on a protocol that is there meanwhile."""
    root = tmp_path_factory.mktemp("gate")
    with small_protocol(root):
        wanted = Subject(
            ("rein", "frozen"), "eva02", "small", "native", (), Budget(iterations=2, seeds=(0, 1), images=1)
        )
        update(root / "small.json", wanted, Place("cpu"))
        yield root


@pytest.fixture
def baseline(home: Path) -> Path:
    return home / "small.json"


def checked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON document of `check` with these arguments."""
    capsys.readouterr()
    status = cli.main(["check", "--quiet", "--device", "cpu", "--json", "--baseline", *map(str, arguments)])
    return status, json.loads(capsys.readouterr().out)


def moved(document: dict[str, Any]) -> set[str]:
    return {row["quantity"] for row in document["moved"]}


def test_nothing_moved(baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every quantity of both methods is compared; the runs are kept where asked."""
    status, document = checked(capsys, baseline, "--results", tmp_path)
    assert (status, document["passed"], document["moved"]) == (0, True, [])
    groups = ("source", "unseen", "corruption")
    wanted = {f"{what} {group}" for what in ("mIoU", "labels") for group in groups}
    wanted |= {"trainable parameters", "total parameters", "GFLOPs", "response"}
    wanted |= {"loss of step 1", "loss of step 2", "head moved"}
    rows = {(row["method"], row["quantity"]) for row in document["rows"]}
    assert rows == {(method, what) for method in ("rein", "frozen") for what in wanted} | {("rein", "adapter moved")}
    assert {row["difference"] for row in document["rows"] if "labels" in row["quantity"]} == {0.0}
    assert len(list(tmp_path.glob("small/eva02-mini/*/*.json"))) == 2


@pytest.mark.parametrize(
    ("where", "name", "planted", "expected"),
    [
        pytest.param(rein.Rein, "forward", without_softmax, {"response"}, id="Rein's softmax removed"),
        pytest.param(Normalised, "prepare", not_normalised, {"response"}, id="normalisation dropped"),
        pytest.param(
            streets,
            "render",
            shifted,
            {"labels source", "labels unseen", "labels corruption"},
            id="the label map shifted by one class",
        ),
        pytest.param(rein, "freeze", freeze_all_but_one, {"trainable parameters"}, id="a frozen parameter that trains"),
        pytest.param(
            rein.Rein,
            "forward",
            without_softmax_in_training,
            {"adapter moved"},
            id="Rein's softmax removed in training",
        ),
        pytest.param(
            train, "parameter_groups", all_but_the_adapter, {"adapter moved"}, id="an optimiser without the adapter"
        ),
        pytest.param(
            train,
            "parameter_groups",
            ten_times_the_rate,
            {"loss of step 2", "head moved", "adapter moved"},
            id="ten times the learning rate",
        ),
        pytest.param(
            stream, "train_transform", flipped_without_its_label, {"loss of step 1"}, id="flipped without the label"
        ),
        pytest.param(inference, "predict_logits", stitched_8_px_off, {"response"}, id="windows stitched 8 px off"),
    ],
)
def test_planted_regressions_are_caught(
    where: Any,
    name: str,
    planted: Any,
    expected: set[str],
    baseline: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(where, name, planted)
    status, document = checked(capsys, baseline, "--method", "rein")
    assert (status, document["passed"]) == (1, False)
    assert expected <= moved(document)
    for row in document["moved"]:
        if row["quantity"] in expected:
            assert abs(row["difference"]) > 2 * row["tolerance"]
    # What is planted in one place is not found in others: two seeds allow any mIoU, all else is exact.
    follow = ("mIoU", "response", "loss", "head moved", "adapter moved", "backbone moved")
    assert not {row for row in moved(document) - expected if not row.startswith(follow)}


def test_what_moved_is_a_table(
    baseline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rein, "freeze", freeze_all_but_one)
    known = read_baseline(baseline).methods["rein"].trainable_params
    assert cli.main(["check", "--quiet", "--device", "cpu", "--method", "rein", "--baseline", str(baseline)]) == 1
    text = capsys.readouterr().out
    (line,) = [line for line in text.splitlines() if "trainable parameters" in line]
    assert all(figure in line for figure in (f"{known:,}", f"{known + 160:,}", " 160 ", " 0 "))
    assert "GFLOPs" not in text
    assert "quantities moved; if that is meant, --update" in text


def test_a_change_of_rounding_moves_nothing_but_what_is_trained(baseline: Path) -> None:
    """Other kernels and another number of threads: response and first steps stay, far below their tolerances."""
    from bench.gate.compare import distance
    from bench.gate.response import response
    from bench.gate.steps import first_steps
    from bench.models.build import build_segmenter

    known = read_baseline(baseline)
    before = torch.get_num_threads()
    for method, entry in known.methods.items():
        spec = subject(known).spec(method, 0, None)
        try:
            torch.set_num_threads(2)
            with torch.backends.mkldnn.flags(enabled=False):
                found = response(build_segmenter(spec), spec)
                steps = first_steps(build_segmenter(spec), spec)
        finally:
            torch.set_num_threads(before)
        assert distance(found, entry.response) < known.tolerances.response / 20
        assert steps == pytest.approx(entry.steps, rel=known.tolerances.steps / 2)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (None, ["--baseline", "absent.json"], "there is no baseline absent.json: `check --update"),
        ("{ half", [], "damaged file BASELINE: it is no baseline"),
        ({"schema_version": 7}, [], "BASELINE is a baseline of version 7, not 2: write a new one"),
        ({"methods": {}}, [], "damaged file BASELINE: it is no baseline: methods"),
        ({"protocol": "smal"}, [], "unknown protocol 'smal'; did you mean 'small'?"),
        ({"backbone": "eva2"}, [], "unknown backbone 'eva2'; did you mean 'eva02'?"),
        ({}, ["--method", "frosen"], "unknown method of BASELINE: 'frosen'; did you mean 'frozen'?"),
        ({}, ["--iterations", "3"], "--iterations goes with --update: a check takes it from BASELINE"),
        ({}, ["--results", "BASELINE/x"], "cannot write results to BASELINE/x"),
        ({}, ["--update", "--method", "reinn"], "unknown method 'reinn'; did you mean 'rein'?"),
        ({}, ["--update", "--baseline", "BASELINE/x.json"], "cannot write BASELINE/x.json: "),
        ("{ half", ["--update", "--seeds", "2"], "say with --method and --backbone what the new one is to hold"),
    ],
)
def test_mistakes_end_in_one_line(
    change: Any, arguments: list[str], message: str, baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.json"
    path.write_text(
        change if isinstance(change, str) else json.dumps(json.loads(baseline.read_text()) | (change or {}))
    )
    given = ["--baseline", str(path), *(argument.replace("BASELINE", str(path)) for argument in arguments)]
    assert cli.main(["check", "--quiet", "--device", "cpu", *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.replace("BASELINE", str(path)) in line


def test_another_version_of_the_protocol_is_refused(
    baseline: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is run: what the file's scores are of is not there any more. A setting is a row instead."""
    known = json.loads(baseline.read_text())
    known["protocol_state"]["data"]["streets-harbour"] = "0" * 16
    known["protocol_state"]["classes"] = "synthia-16"
    (tmp_path / "b.json").write_text(json.dumps(known))
    assert cli.main(["check", "--quiet", "--baseline", str(tmp_path / "b.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is of another version of protocol small (classes, data streets-harbour): write a new one" in line


def test_no_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    from bench.errors import PrerequisiteError

    monkeypatch.setattr(tempfile, "tempdir", "/proc/none")
    with pytest.raises(PrerequisiteError, match="no temporary folder for the quick runs: "), folder(Place()):
        pass


def test_an_update_takes_what_is_not_said_from_the_file(
    baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import cli_check
    from bench.gate.check import DEFAULT

    known = subject(read_baseline(baseline))
    chosen = cli_check._subject(baseline, ["frozen"], {"iterations": 7, "seeds": 3})
    assert chosen == known._replace(
        methods=("frozen",), budget=known.budget.model_copy(update={"iterations": 7, "seeds": (0, 1, 2)})
    )
    assert cli_check._subject(tmp_path / "new.json", [], {}) == DEFAULT
    (tmp_path / "old.json").write_text("{}")
    mine = cli_check._subject(tmp_path / "old.json", ["mine"], {"backbone": "clip", "set": ["a=1"]})
    assert mine == DEFAULT._replace(methods=("mine",), backbone="clip", sets=("a=1",))
