"""Sweeps of corruptions: which, on what, resumed, summed up; corrupted copies."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import fake_data
import numpy as np
import pytest
from rich.console import Console

from bench import cli, protocols
from bench.data.corrupted import write_corrupted
from bench.data.corruptions import NAMES, corrupt
from bench.data.for_run import open_for
from bench.data.reader import open_dataset
from bench.errors import PrerequisiteError, UnknownName, UserError
from bench.protocols import load_protocol
from bench.protocols.corruptions import COMMON, ICE, KNOWN, VERSION, Corrupted, parse
from bench.report import corruptions as report
from bench.report.scores import scores
from bench.resolve import resolve
from bench.result import RunResult, read_result, result_path, write_result
from bench.run import run

TINY = ["weights=random", "recipe.iterations=1", "recipe.batch_size=2", "recipe.crop=32,32", "recipe.short_edges=32,40"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(fake_cards: Path, tmp_path: Path) -> Path:
    root = tmp_path / "data"
    fake_data.FAMILIES["cityscapes"].make(root)
    return root


def test_what_can_be_asked_for() -> None:
    assert len(parse("common")) == 80
    assert len(parse("all")) == 95
    assert parse("L5") == [Corrupted(name, 5) for name in COMMON]
    assert parse("fog:3, frost:1-2,fog:3") == [Corrupted("fog", 3), Corrupted("frost", 1), Corrupted("frost", 2)]
    assert len(parse("snow")) == 5
    assert len(parse("L5,zoom_blur:3")) == 17
    assert len(parse("common,all")) == 95
    assert set(KNOWN) == {*NAMES, ICE}
    for text in ("fog:0", "fog:6", "fog:4-2", "fog:x", "fog:1-", ",", ""):
        with pytest.raises(UserError, match="--corruptions"):
            parse(text)
    with pytest.raises(UnknownName, match="did you mean 'glass_blur'"):
        parse("glas_blur:1")


@pytest.mark.parametrize("protocol", protocols.names())
def test_no_protocol_has_two_targets_of_one_name(protocol: str) -> None:
    asked = load_protocol(protocol).with_corruptions("common")
    names = [target.name for target in asked.all_targets()]
    assert len(set(names)) == len(names)
    assert sum(target.corruption is not None for target in asked.all_targets()) == 80


@pytest.mark.parametrize(
    ("protocol", "dataset"),
    [
        ("city2c", "cityscapes-val"),
        ("gta2cbm", "cityscapes-val"),
        ("city2acdc", "cityscapes-val"),
        ("streets", "streets-harbour"),
    ],
)
def test_every_protocol_takes_corruptions(protocol: str, dataset: str) -> None:
    asked = load_protocol(protocol).with_corruptions("fog:1,fog:2")
    found = [target for target in asked.all_targets() if target.corruption]
    assert [(target.name, target.dataset) for target in found] == [("fog-1", dataset), ("fog-2", dataset)]


def test_the_default_of_city2c_is_l5_and_the_version_is_part_of_the_identity() -> None:
    plain, asked = (resolve("rein", "eva02-mini", "city2c", sets=TINY, corruptions=text) for text in (None, "L5"))
    assert plain == asked
    assert plain.data["corruptions"] == VERSION
    assert "corruptions" not in resolve("rein", "eva02-mini", "city2acdc", sets=TINY).data


@pytest.fixture
def swept(data: Path, tmp_path: Path) -> RunResult:
    spec = resolve("linear", "eva02-mini", "city2c", sets=TINY, corruptions="fog:1-2,contrast:1-2")
    return run(spec, results=tmp_path / "results", device="cpu", data_root=data)


def test_a_sweep_decodes_once_and_goes_on_where_it_stopped(
    swept: RunResult, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_for(swept.spec, data, sources=False).targets
    assert len({id(dataset) for dataset in opened.values()}) == 1
    assert opened["fog-1"].keep
    path = result_path(swept.spec, tmp_path / "results")
    done = ("cityscapes", "fog-1", "contrast-2")
    partial = swept.model_copy(
        update={"state": "partial", "cost": None, "targets": {name: swept.targets[name] for name in done}}
    )
    from bench.per_image import read_per_image

    write_result(partial, path, {name: counts for name, counts in read_per_image(path, swept).items() if name in done})
    from bench import run as running

    seen = []
    whole = running.evaluate

    def watched(logits, target, *rest, **options):
        seen.append(target.name)
        return whole(logits, target, *rest, **options)

    monkeypatch.setattr(running, "evaluate", watched)
    again = run(swept.spec, results=tmp_path / "results", device="cpu", data_root=data)
    assert seen == ["fog-2", "contrast-1"]
    for name, target in swept.targets.items():
        assert np.array_equal(again.targets[name].confusion, target.confusion)


def test_images_are_corrupted_by_their_name(swept: RunResult, data: Path) -> None:
    from bench.evaluate import _sample

    dataset = open_dataset("cityscapes-val", data_root=data)
    (target,) = [target for target in swept.spec.targets if target.name == "fog-2"]
    for index in (0, 2):
        clean = dataset[index]
        expected = corrupt(clean.image, "fog", 2, clean.name)
        np.testing.assert_array_equal(_sample(dataset, target, index).image, expected)


def test_the_sweeps_figures(swept: RunResult) -> None:
    found = report.sweep(swept, scores(swept))
    assert found is not None
    flat = [found.grid[name][severity] for name in ("fog", "contrast") for severity in (1, 2)]
    assert found.clean == scores(swept).targets["cityscapes"].miou
    assert found.drop == pytest.approx(100 * (1 - np.mean(flat) / found.clean))
    assert found.at_5 is None
    assert found.over_all is None
    assert set(found.groups.values()) == {None}
    grid = {name: dict.fromkeys(range(1, 6), 10.0 * place) for place, name in enumerate(COMMON)}
    assert report._mean(grid, COMMON, (5,)) == pytest.approx(75)
    assert report.relative(found.grid, found.grid) == pytest.approx(100)
    assert report.relative({"fog": {1: 50.0}}, {"fog": {1: 0.0, 2: 3.0}, "snow": {1: 1.0}}) == pytest.approx(50)
    assert report.relative({"fog": {1: 50.0}}, {"snow": {1: 1.0}}) is None
    console = Console(width=100, record=True)
    console.print(report.render(found))
    text = console.export_text()
    assert all(f"{score:.1f}" in text for score in flat)


def test_a_trained_run_is_swept_without_training(
    swept: RunResult, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--results", str(tmp_path / "results"), "--data-root", str(data), "--json", "--quiet", "--device", "cpu"]
    assert cli.main(["evaluate", swept.spec_hash[:12], "--corruptions", "pixelate:5", *where]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["targets"]) == ["cityscapes", "pixelate-5"]
    assert list(found["corruptions"]["grid"]) == ["pixelate"]
    assert read_result(Path(found["path"])).curve == swept.curve


def test_a_corrupted_copy_is_what_an_evaluation_sees(data: Path, tmp_path: Path) -> None:
    dataset, folder = open_dataset("cityscapes-val", data_root=data), tmp_path / "copy"
    pairs = parse("fog:2,impulse_noise:5")
    assert write_corrupted(dataset, pairs, folder) == 8
    clean = dataset[1]
    written = cv2.imread(str(folder / "fog" / "2" / f"{clean.name}.png"))[..., ::-1]
    np.testing.assert_array_equal(written, corrupt(clean.image, "fog", 2, clean.name))
    (folder / "fog" / "2" / f"{clean.name}.png").unlink()
    assert write_corrupted(dataset, pairs, folder) == 1
    assert write_corrupted(dataset, pairs, folder) == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="cannot write to"):
        write_corrupted(dataset, pairs, tmp_path / "file" / "copy")


def test_the_command_times_and_writes(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["corrupt", "cityscapes-val", "--data-root", str(data), "--corruptions", "contrast:1"]
    assert cli.main([*base, "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert (cost["name"], cost["severity"]) == ("contrast", 1)
    assert cost["milliseconds"] > 0
    assert cli.main([*base, "--write", str(tmp_path / "copy"), "--quiet"]) == 0
    assert "4 images written" in capsys.readouterr().out


def test_errors_relative_to_a_reference(
    make_result, make_spec, per_image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [make_result(method=name, seed=seed) for name in ("frozen", "mine") for seed in (0, 1)]
    for result in results:
        write_result(result, result_path(result.spec, tmp_path), per_image(result))
    where = ["report", "--results", str(tmp_path)]
    assert cli.main([*where, "--reference", "frozen"]) == 0
    text = capsys.readouterr().out
    assert "corruption error relative to frozen" in text
    frozen = next(line for line in text.splitlines() if "| frozen | " in line)
    assert " 100.0 " in frozen
    assert cli.main([*where, "--reference", "nobody"]) == 2
    assert "unknown reference method 'nobody'" in capsys.readouterr().err
    assert cli.main(where) == 0
    assert "relative" not in (tmp_path / "leaderboard.md").read_text()


def test_old_versions_and_missing_photographs_are_told_before_training(
    swept: RunResult, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = swept.spec.model_copy(update={"data": swept.spec.data | {"corruptions": "0"}})
    with pytest.raises(UserError, match="the corruptions have changed"):
        open_for(old, data, sources=False)
    from bench.data.corruptions import weather

    weather._photograph.cache_clear()
    monkeypatch.setattr(weather.importlib.util, "find_spec", lambda name: None)
    frosty = resolve("linear", "eva02-mini", "city2c", sets=TINY, corruptions="frost:1")
    with pytest.raises(PrerequisiteError, match="frost needs the photographs"):
        open_for(frosty, data, sources=False)
    weather._photograph.cache_clear()


def test_the_clean_images_of_a_sweep_are_scored_with_it(data: Path, tmp_path: Path) -> None:
    from bench.trained import _targets

    spec = resolve("linear", "eva02-mini", "gta2cbm", sets=TINY)
    found = _targets(spec, load_protocol("gta2cbm"), load_protocol("city2c"), "native")
    assert [(target.name, target.group) for target in found[:2]] == [("gta5", "source"), ("cityscapes", "unseen")]
    assert sum(target.corruption is not None for target in found) == 16
