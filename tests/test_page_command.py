"""The command that the page prints leads to the very specification of the run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from bench import cli
from bench.protocols import load_protocol
from bench.report.page.command import commands, trainings
from bench.resolve import departures, resolve
from bench.result import load_all, result_path
from bench.spec import spec_hash
from bench.trained import elsewhere

RESULTS = load_all(Path(__file__).resolve().parent.parent / "results").results


def dry_run(line: str, capsys) -> str:
    """The hash of the specification that a printed `run` command resolves to."""
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "bench"]
    assert cli.main([*words[3:], "--dry-run"]) == 0
    return Path(json.loads(capsys.readouterr().out)["path"]).name


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result_path(result.spec, Path()).stem)
def test_committed_runs_are_made_again_by_their_commands(result, capsys) -> None:
    first, *rest = commands(result, trainings(other.spec for other in RESULTS)).lines
    made = dry_run(first, capsys)
    if "@" not in result.spec.protocol:
        assert rest == []
        assert made == result_path(result.spec, Path()).name
        return
    scored = result.spec.protocol.partition("@")[0]
    trained = next(each for each in RESULTS if result_path(each.spec, Path()).name == made)
    assert rest == [f"python -m bench evaluate {made[:12]} --protocol {scored} --track native --results mine"]
    again = elsewhere(trained.spec, load_protocol(scored), "native")
    assert spec_hash(again) == result.spec_hash


@pytest.mark.parametrize(
    "options",
    [
        {"sets": ["recipe.iterations=7", "recipe.short_edges=96,128", "head.hidden=32"]},
        {"sets": ["weights=random", "linked=true", "compile=true"], "precision": "bf16", "seed": 5},
        {"sets": ['recipe.jitter={"size":[64,128],"low":0.5,"high":2}']},
        {"corruptions": "fog:3,glass_blur:1-5"},
    ],
)
def test_settings_come_back(make_result, capsys, options) -> None:
    spec = resolve("rein", "eva02", **options)
    result = make_result(state="partial", done=0).model_copy(
        update={"spec": spec, "spec_hash": spec_hash(spec), "settings": departures(spec)}
    )
    (line,) = commands(result).lines
    assert dry_run(line, capsys) == result_path(spec, Path()).name
