"""Every protocol, on every track, from end to end over small trees with the real layouts; runs scored elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import fake_data
import numpy as np
import pytest

from bench import cli, protocols
from bench.data import cards
from bench.data.layouts import require_usable
from bench.data.views import shown_size
from bench.errors import DatasetNotFound, UserError
from bench.protocols import load_protocol
from bench.resolve import resolve
from bench.result import RunResult, read_result, result_path
from bench.run import run
from bench.spec import RunSpec, Target, View
from bench.trained import retarget, weights_path

TINY = ["weights=random", "recipe.iterations=1", "recipe.batch_size=2", "recipe.crop=32,32"]
ALL = [
    (name, track.name) for name in protocols.names() if "streets" not in name for track in load_protocol(name).tracks
]

pytestmark = pytest.mark.usefixtures("one_thread", "small_protocols")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    fake_data.make_all(root)
    return root


def tiny(name: str, track: str, *sets: str, method: str = "linear") -> RunSpec:
    return resolve(method, "eva02-mini", name, track, sets=[*TINY, *sets])


def labelled(target: Target, data: Path) -> int:
    """Pixels that the target scores, from what the generator of its tree knows."""
    card = cards.load_files_card(target.dataset)
    found = require_usable(card, data)
    count = 0
    for item in found.items:
        truth = fake_data.train_ids(card.name, str(item.image.relative_to(found.folder)))
        if not found.layout.labels:
            truth = np.full_like(truth, 255)
        if target.view.halve:
            truth = truth[1::2, 1::2][: truth.shape[0] // 2, : truth.shape[1] // 2]
        if target.view.scored == "shown":
            height, width = shown_size(truth.shape, target.view)
            truth = cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)
        count += int((truth != 255).sum())
    return count


@pytest.mark.parametrize(("name", "track"), ALL)
def test_every_protocol_runs_on_every_track(name: str, track: str, data: Path, tmp_path: Path) -> None:
    spec = tiny(name, track)
    result = run(spec, results=tmp_path / "results", device="cpu", data_root=data)
    assert result.state == "complete"
    assert list(result.targets) == [target.name for target in spec.targets]
    for target in spec.targets:
        pixels = np.sum(result.targets[target.name].confusion)
        if target.group == "anomaly":
            assert (pixels, target.dataset) == (0, "bravo-smiyc")
            assert np.sum(result.targets[target.name].reliability.anomaly) > 0
        else:
            assert pixels == labelled(target, data) > 0


def test_every_set_that_is_no_source_is_some_protocols_target() -> None:
    used = {target.dataset for name, track in ALL for target in load_protocol(name).targets_of(track)}
    used |= {source.dataset for name, track in ALL for source in load_protocol(name).sources_of(track)}
    idle = {name for name in cards.names() if isinstance(cards.load_card(name), cards.FilesCard)} - used
    whole = {"gta5-train", "gta5-val", "gta5-test", "muses-val", "acdc-train", "bdd100k-train", "mapillary-train"}
    held_by_servers = {name for name in idle if cards.load_files_card(name).submission is not None}
    assert idle == whole | held_by_servers | {f"acdc-{kind}-test" for kind in ("fog", "night", "rain", "snow")}


# The figures of the tracks' table (Rein's and CLOUDS' published settings), for images of the sizes the sets have.


@pytest.mark.parametrize(
    ("track", "dataset", "size", "shown", "scored"),
    [
        ("native", "cityscapes-val", (1024, 2048), (1024, 2048), "native"),
        ("native", "bdd100k-val", (720, 1280), (720, 1280), "native"),
        ("native", "mapillary-val", (2448, 3264), (1024, 1365), "native"),
        ("rein-512", "cityscapes-val", (1024, 2048), (512, 1024), "native"),
        ("rein-512", "bdd100k-val", (720, 1280), (720, 1280), "native"),
        ("rein-512", "mapillary-val", (2448, 3264), (512, 683), "native"),
        ("rein-512", "acdc-fog-val", (1080, 1920), (540, 960), "native"),
        ("rein-1024", "cityscapes-val", (1024, 2048), (1024, 2048), "native"),
        ("rein-1024", "mapillary-val", (2448, 3264), (1024, 1365), "native"),
        ("rein-1024", "acdc-fog-val", (1080, 1920), (1080, 1920), "native"),
        ("clouds", "cityscapes-val", (1024, 2048), (1024, 2048), "native"),
        ("clouds", "bdd100k-val", (720, 1280), (1024, 1820), "shown"),
        ("clouds", "mapillary-val-by-id", (2448, 3264), (1024, 1365), "shown"),
        ("clouds", "acdc-fog-val", (1080, 1920), (1024, 1820), "shown"),
    ],
)
def test_tracks_show_what_is_published(
    track: str, dataset: str, size: tuple[int, int], shown: tuple[int, int], scored: str, monkeypatch: Any
) -> None:
    monkeypatch.undo()
    name = "city2acdc" if dataset.startswith("acdc") else "gta2cbm"
    targets = {target.dataset: target for target in load_protocol(name).targets_of(track)}
    view = targets[dataset].view
    size = (size[0] // 2, size[1] // 2) if view.halve else size
    assert shown_size(size, view) == shown
    assert view.scored == scored
    assert view.halve == (track.startswith("rein") and dataset == "mapillary-val")


def test_tracks_have_the_published_windows_and_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from bench.inference import layout

    rein = resolve("rein", "dinov2", "gta2cbm", "rein-512", sets=["weights=random"])
    assert layout(rein) == ((512, 512), (341, 341))
    assert (rein.backbone, rein.backbone_config["patch_size"]) == ("dinov2-large", 16)
    assert rein.targets[0].name == "gta5"
    assert rein.targets[0].trained_on
    full = resolve("rein", "dinov2", "gta2cbm", "rein-1024", sets=["weights=random"])
    assert layout(full) == ((1024, 1024), (683, 683))
    native = resolve("rein", "dinov2", "gta2cbm", sets=["weights=random"])
    assert layout(native) == ((512, 512), (341, 341))
    assert native.recipe == rein.recipe
    assert [source.dataset for source in native.sources] == ["gta5-fit"]
    assert not any(target.trained_on for target in native.targets)
    clouds = resolve("frozen", "convnext-clip", "gta2cbm", "clouds", sets=["weights=random"])
    assert layout(clouds) == (None, None)
    assert (clouds.recipe.lr, clouds.recipe.crop, clouds.recipe.clip_norm) == (1e-5, (768, 768), 0.01)
    weather = resolve("rein", "dinov2", "city2acdc", "rein-1024", sets=["weights=random"]).recipe
    assert (weather.crop, weather.lr, weather.batch_size, weather.warmup) == ((1024, 1024), 6e-5, 8, 10_000)


def test_synthia_is_scored_over_its_sixteen_classes(data: Path, tmp_path: Path) -> None:
    from bench.metrics import SYNTHIA_13, SYNTHIA_16, miou
    from bench.report.scores import scores

    result = run(tiny("synthia2cbm", "native"), results=tmp_path / "results", device="cpu", data_root=data)
    found = scores(result)
    matrix = result.targets["cityscapes"].confusion
    assert found.targets["cityscapes"].miou == pytest.approx(100 * miou(matrix, SYNTHIA_16))
    names = ("cityscapes", "bdd100k", "mapillary")
    of_13 = np.mean([100 * miou(result.targets[name].confusion, SYNTHIA_13) for name in names])
    assert found.summary["unseen_mean_13"] == pytest.approx(of_13)


@pytest.fixture
def trained(data: Path, tmp_path: Path) -> RunResult:
    return run(tiny("gta2cbm", "rein-512"), results=tmp_path / "results", device="cpu", data_root=data)


def command(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_a_run_is_scored_on_other_targets_and_tracks_without_training(
    trained: RunResult, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    where = ("--results", results, "--data-root", data, "--json", "--quiet", "--device", "cpu")
    run_id = trained.spec_hash[:12]
    assert command("evaluate", run_id, "--protocol", "city2acdc", *where) == 0
    weather = json.loads(capsys.readouterr().out)
    assert weather["spec"]["protocol"] == "city2acdc@gta2cbm"
    assert list(weather["targets"]) == ["gta5", "acdc-fog", "acdc-night", "acdc-rain", "acdc-snow"]
    assert weather["spec"]["sources"] == [{"dataset": "gta5", "weight": None}]
    saved = read_result(Path(weather["path"]))
    assert saved.seconds.train == pytest.approx(trained.seconds.train), "it is the training of the first run"
    assert saved.curve == trained.curve
    assert np.array_equal(saved.targets["gta5"].confusion, trained.targets["gta5"].confusion)
    assert command("evaluate", run_id, "--track", "rein-1024", *where) == 0
    larger = json.loads(capsys.readouterr().out)
    assert larger["spec"]["protocol"] == "gta2cbm"
    assert larger["spec"]["track"]["name"] == "rein-1024"
    assert larger["spec_hash"] != trained.spec_hash
    assert command("evaluate", run_id, "--protocol", "nowhere", *where) == 2
    assert "unknown protocol 'nowhere'" in capsys.readouterr().err


def test_scoring_elsewhere_needs_the_weights(trained: RunResult, tmp_path: Path) -> None:
    weights_path(trained.spec, tmp_path / "results").unlink()
    with pytest.raises(UserError, match=r"the weights of run .* are not at"):
        retarget(trained.spec, "city2acdc", None, tmp_path / "results")


def test_one_target_can_be_scored_where_the_others_are_not_there(
    trained: RunResult, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, few = tmp_path / "results", tmp_path / "few"
    few.mkdir()
    (few / "cityscapes").symlink_to(data / "cityscapes")
    where = ("--results", results, "--data-root", few, "--json", "--quiet", "--device", "cpu")
    result_path(trained.spec, results).unlink()
    run_id = trained.spec_hash[:12]
    assert command("evaluate", run_id, *where) == 2
    assert "dataset gta5-held-out" in capsys.readouterr().err
    assert command("evaluate", run_id, "--target", "cityscapes", *where) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["targets"]) == ["cityscapes"]
    assert read_result(Path(found["path"])).state == "partial"
    assert command("evaluate", run_id, "--target", "paris", *where) == 2
    assert "unknown target 'paris'" in capsys.readouterr().err
    assert command("evaluate", run_id, *where[:2], "--data-root", data, *where[4:]) == 0
    assert read_result(Path(found["path"])).state == "complete"


def test_a_target_that_is_trained_on_unsaid_is_refused(data: Path, tmp_path: Path) -> None:
    spec = tiny("gta2cbm", "rein-512")
    source, *others = spec.targets
    unsaid = spec.model_copy(update={"targets": (source.model_copy(update={"trained_on": False}), *others)})
    with pytest.raises(UserError, match=r"target gta5: 1 of its images are trained on, as \S+images/00002\.png"):
        run(unsaid, results=tmp_path / "results", device="cpu", data_root=data)


def test_sources_are_mixed_by_their_weights(data: Path) -> None:
    from bench.data.for_run import open_for
    from bench.data.stream import TrainStream

    spec = tiny("gta+synthia+urbansyn+city16th2bm", "rein-512")
    source = open_for(spec, data).source
    assert source is not None
    stream = TrainStream(source, spec.recipe, seed=0)
    names = [source.names[stream.index(item)].partition("/")[0] for item in range(400)]
    assert {names.count(each.dataset) for each in spec.sources} == {100}
    assert all(len(set(names[first : first + 4])) == 4 for first in range(0, 400, 4))
    gta = [source.names[stream.index(item)] for item in range(48) if names[item] == "gta5"]
    assert all(len(set(gta[first : first + 6])) == 6 for first in (0, 6)), "six images: each once an epoch"


def test_an_epoch_is_the_same_for_any_number_of_workers(data: Path) -> None:
    from bench.data.for_run import open_for
    from bench.data.stream import TrainStream

    spec = tiny("gta+synthia2cbm", "native", "recipe.batch_size=3")
    source = open_for(spec, data).source
    assert source is not None
    found = [list(TrainStream(source, spec.recipe, 1).batches(0, 7, workers=workers)) for workers in (1, 2, 5)]
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one.images, two.images)
            np.testing.assert_array_equal(one.labels, two.labels)


def test_missing_data_is_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetNotFound, match=r"dataset gta5-held-out is not there \(looked at .*gta5, .*\); get it from https"
    ):
        run(tiny("gta2cbm", "rein-512"), results=tmp_path / "results", device="cpu", data_root=tmp_path)


def test_views_leave_small_and_odd_pictures_whole() -> None:
    assert shown_size((1, 1), View(short_edge=7)) == (7, 7)
    assert shown_size((1000, 3), View(fit=(512, 1024))) == (1024, 3)
    assert shown_size((33, 77), View()) == (33, 77)
