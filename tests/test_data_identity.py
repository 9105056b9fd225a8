"""What passes for what: revisions, copies, weights and series must not stand for others, nor labels for none."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import fake_data
import numpy as np
import pytest
from rich.console import Console
from safetensors.torch import load_file
from trees import cityscapes, label_of

from bench.data import cards
from bench.data.check import check, write_exclude_list
from bench.data.convert import halve, has_copy
from bench.data.layouts import locate, require_usable
from bench.data.reader import open_dataset
from bench.errors import BenchError, DamagedFile, DatasetNotFound, UnknownName, UserError
from bench.report.scored import score
from bench.report.scores import scores
from bench.report.series import series
from bench.report.single import document, render
from bench.report.tables import markdown
from bench.resolve import resolve
from bench.result import RunResult
from bench.run import run
from bench.spec import Target
from bench.trained import retarget, weights_path

pytestmark = pytest.mark.usefixtures("one_thread", "small_protocols")
TINY = ["weights=random", "recipe.iterations=1", "recipe.batch_size=2", "recipe.crop=32,32"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for family in ("gta5", "cityscapes", "bdd100k", "mapillary", "bravo"):
        fake_data.FAMILIES[family].make(root)
    return root


@pytest.fixture
def trained(data: Path, tmp_path: Path) -> RunResult:
    spec = resolve("linear", "eva02-mini", "gta2cbm", "native", sets=TINY)
    return run(spec, results=tmp_path / "results", device="cpu", data_root=data)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    cards._read.cache_clear()


def test_weights_never_pass_for_those_of_changed_data(trained: RunResult, tmp_path: Path, fake_cards: Path) -> None:
    results = tmp_path / "results"
    (fake_cards / "exclude").mkdir()
    (fake_cards / "exclude" / "gta5.txt").write_text("00001 # gone\n")
    fresh = resolve("linear", "eva02-mini", "gta2cbm", "native", sets=TINY)
    assert fresh.data["gta5-fit"] != trained.spec.data["gta5-fit"]
    other = retarget(trained.spec, None, "rein-512", results)
    assert other.data["gta5-fit"] == trained.spec.data["gta5-fit"], "what it was trained on, not what is there now"
    assert not weights_path(fresh, results).exists()


def test_weights_of_another_training_are_not_overwritten(trained: RunResult, tmp_path: Path) -> None:
    results = tmp_path / "results"
    other = retarget(trained.spec, None, "rein-512", results)
    path = weights_path(other, results)
    before = load_file(path)
    assert retarget(trained.spec, None, "rein-512", results) == other, "the same weights again are no harm"
    from bench.checkpoint import _read, _write

    progress, tensors = _read(path)
    _write(path, progress, {name: tensor + 1 for name, tensor in tensors.items()})
    with pytest.raises(UserError, match="has weights of its own"):
        retarget(trained.spec, None, "rein-512", results)
    assert all((load_file(path)[name] == before[name] + 1).all() for name in before)


def test_a_set_with_some_labels_is_not_one_without(data: Path) -> None:
    label_of(data, "bravo-synrain").unlink()
    with pytest.raises(DatasetNotFound, match="1 image without label"):
        open_dataset("bravo-synrain", data_root=data)
    assert locate(cards.load_files_card("bravo-synrain"), data).layout.labels


def test_a_target_without_labels_is_no_target(data: Path, tmp_path: Path) -> None:
    spec = resolve("linear", "eva02-mini", "city2bravo", sets=TINY)
    (data / "bravo" / "bravo_GT").rename(tmp_path / "taken")
    with pytest.raises(
        DatasetNotFound, match=r"target acdc: dataset bravo-acdc has no labels here; .*submit bravo-acdc"
    ):
        run(spec, results=tmp_path / "results", device="cpu", data_root=data)
    result = check("bravo-acdc", data)
    assert (result.usable, result.labelled) == (True, False)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("cityscapes-val", 'decoder = "grey"', 'decoder = "palette"'),
        ("cityscapes-val", "gtFine/val/*/*_gtFine_labelIds.png", "gtFine/val/*/*_gtFine_instanceIds.png"),
        ("cityscapes-val", 'table = "cityscapes-ids"', 'table = "train-ids"'),
        ("gta5-fit", "trainIds testIds", "trainIds valIds"),
        ("synthia-fit", "keep = [1,", "keep = [0, 1,"),
        ("bravo-smiyc", "_labels_semantic.png", "_labels_semantic_color.png"),
    ],
)
def test_all_that_decides_a_label_is_in_the_revision(name: str, old: str, new: str, fake_cards: Path) -> None:
    before = cards.revision(cards.load_card(name))
    edit(fake_cards / f"{name}.toml", old, new)
    assert cards.revision(cards.load_card(name)) != before


def test_a_halved_copy_is_of_these_files_and_no_others(data: Path) -> None:
    card = cards.load_files_card("mapillary-val")
    folder = halve(card, require_usable(card, data)).folder
    assert has_copy(card, require_usable(card, data))
    (folder / "complete.json").write_text("{")
    assert not has_copy(card, require_usable(card, data))
    halve(card, require_usable(card, data))
    next((folder / "labels").rglob("*.png")).unlink()
    assert not has_copy(card, require_usable(card, data)), "a file of the copy is gone"
    halve(card, require_usable(card, data))
    path = label_of(data, "mapillary-val")
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED))  # mended, say
    assert not has_copy(card, require_usable(card, data)), "it is of another file"
    for name, why in (("gta5", "no track halves gta5"), ("bravo-synrain", "no track halves bravo")):
        other = cards.load_files_card(name)
        with pytest.raises(UserError, match=why):
            halve(other, require_usable(other, data))


def test_runs_on_other_images_are_no_repetitions(make_result) -> None:
    one, two = make_result(seed=0), make_result(seed=1)
    east = two.targets["east"].model_copy(update={"file_list_hash": "1" * 16})
    moved = two.model_copy(update={"targets": two.targets | {"east": east}})
    assert score(one).series == score(two).series != score(moved).series
    rows = series([one, moved])
    assert len(rows) == 2
    assert all("images of east" in row.keys["variant"] for row in rows)


def test_a_partial_result_has_no_mean_of_what_it_lacks(make_result) -> None:
    part = make_result(state="partial", done=2)  # source, and one of two unseen cities
    found = scores(part).summary
    assert found["source"] is not None
    assert (found["unseen_mean"], found["unseen_worst"], found["unseen_ece"]) == (None, None, None)
    whole = document(part, Path("x"))
    assert (whole["state"], whole["missing"]) == ("partial", ["west", "mist", "contrast"])


def test_a_score_on_what_is_trained_on_is_marked(make_result, make_spec) -> None:
    targets = tuple(
        target.model_copy(update={"trained_on": target.group == "source"}) for target in make_spec().targets
    )
    result = make_result(targets=targets)
    text = markdown(series([result]), [result])
    assert "source scored on images that are trained on" in text
    assert re.search(r"\| toy \| vit-toy \| [\d.]+ \(trained on\) \|", text)


def test_ranks_go_by_one_mean_for_all_rows_of_a_table(make_result) -> None:
    whole, lacking = make_result(method="a"), make_result(method="b")
    empty = {"confusion": [[0] * 3] * 3, "reliability": {"bins": [(0, 0.0, 0)], "nll_sum": 0.0}}
    changed = {name: lacking.targets[name].model_dump() | empty for name in ("east", "west")}
    document_ = lacking.model_dump() | {"targets": lacking.model_dump()["targets"] | changed}
    rows = series([whole, RunResult.model_validate(document_)])
    assert [row.keys["method"] for row in rows] == ["a", "b"], "no unseen score ranks last, whatever the weather"


def test_held_out_is_asked_when_nothing_is_trained_too(trained: RunResult, data: Path, tmp_path: Path) -> None:
    first, *others = trained.spec.targets
    on_source = Target(name="again", dataset="gta5-train", group="unseen")
    spec = trained.spec.model_copy(update={"targets": (first, on_source, *others)})
    spec = spec.model_copy(update={"data": spec.data | {"gta5-train": cards.revision(cards.load_card("gta5-train"))}})
    from bench.data.for_run import open_for

    with pytest.raises(UserError, match="target again: 3 of its images are trained on"):
        open_for(spec, data, sources=False)


def test_an_exclude_list_is_of_one_card(data: Path) -> None:
    path = label_of(data, "bravo-synrain")
    path.write_bytes(b"")
    write_exclude_list(check("bravo-synrain", data, full=True))
    assert check("bravo-synrain", data).left_out == 1
    assert check("bravo-synflare", data).left_out == 0
    for place in range(3):
        label_of(data, "bravo-synobjs", place).write_bytes(b"")
    result = check("bravo-synobjs", data, full=True)
    assert any("is this the original" in problem.mend for problem in result.problems)
    with pytest.raises(UserError, match="3 of 3 images are damaged"):
        write_exclude_list(result)


def test_results_say_how_many_are_left_out(data: Path, tmp_path: Path, fake_cards: Path) -> None:
    (fake_cards / "exclude").mkdir()
    (fake_cards / "exclude" / "bdd100k-val.txt").write_text(
        "# why\n" + open_dataset("bdd100k-val", data_root=data).names[0]
    )
    result = run(
        resolve("linear", "eva02-mini", "gta2cbm", "native", sets=TINY),
        results=tmp_path / "results",
        device="cpu",
        data_root=data,
    )
    assert (result.targets["bdd100k"].left_out, result.targets["cityscapes"].left_out) == (1, 0)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(result))
    assert "2 (1 left out)" in console.export_text()


def test_a_complete_run_knows_its_targets(trained: RunResult, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown target 'bdd'"):
        run(trained.spec, results=tmp_path / "results", device="cpu", data_root=data, only=["bdd"])


def test_images_of_one_name_are_told(tmp_path: Path) -> None:
    fake_data.FAMILIES["idd"].make(tmp_path)
    (image,) = list(tmp_path.rglob("*_leftImg8bit.jpg"))[:1]
    cv2.imwrite(str(image.with_suffix(".png")), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DatasetNotFound, match="two images of one name"):
        open_dataset("idd-val", data_root=tmp_path)


def test_a_list_line_that_names_two_images_is_told(tmp_path: Path, fake_cards: Path) -> None:
    cityscapes(tmp_path / "data")
    folder = tmp_path / "data" / "cityscapes"
    first, second = sorted((folder / "leftImg8bit" / "val").iterdir())[:2]
    (source,) = list(first.glob("*.png"))[:1]
    (second / source.name).write_bytes(source.read_bytes())
    edit(fake_cards / "cityscapes-val.toml", 'name = "official"', 'name = "official"\nlist = "mine.txt"')
    (folder / "mine.txt").write_text(source.stem)
    with pytest.raises(DamagedFile, match=r"may be \S+ or "):
        open_dataset("cityscapes-val", data_root=tmp_path / "data")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('images = "leftImg8bit/val/*/*_leftImg8bit.png"', "images = []", "as many patterns and stars as images"),
        ('kind = "files"', "", "kind must be one of streets, files, not None"),
        ('kind = "files"', 'kind = "zip"', "kind must be one of"),
        ('decoder = "grey"', 'decoder = "gray"', r"decoder of dataset cityscapes-val: 'gray'; did you mean 'grey'"),
        ('table = "cityscapes-ids"', 'table = "cityscape"', "unknown label table 'cityscape'; did you mean"),
        ('split = "val"', 'split = "val"\npart = { of = 2, keep = [5] }', "keep names no place below 2"),
        ('split = "val"', 'split = "val"\nsubmission = { file = "*.png", ids = "train-ids" }', "as many stars"),
        ('split = "val"', 'split = "val"\nsplitt = 1', "splitt"),
    ],
)
def test_mistakes_in_cards_have_one_line(old: str, new: str, message: str, tmp_path: Path, fake_cards: Path) -> None:
    cityscapes(tmp_path / "data")
    edit(fake_cards / "cityscapes-val.toml", old, new)
    with pytest.raises(BenchError, match=message) as caught:
        open_dataset("cityscapes-val", data_root=tmp_path / "data")
    assert "\n" not in str(caught.value)


def test_other_broken_files_have_one_line(tmp_path: Path, fake_cards: Path) -> None:
    cityscapes(tmp_path / "data")
    (fake_cards / "exclude").mkdir()
    (fake_cards / "exclude" / "cityscapes-val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DamagedFile, match="utf-8"):
        open_dataset("cityscapes-val", data_root=tmp_path / "data")
    (fake_cards / "folder.toml").mkdir()
    assert "folder" not in cards.names()
    (fake_cards / "labels" / "void.toml").write_text('summary = "x"\nsource = "y"\nvoid = [1]\n[ids]\n')
    from bench.data.tables import load_table

    with pytest.raises(DamagedFile, match="no id has a class"):
        load_table("void", [fake_cards])
    own = tmp_path / "own"
    (own / "labels").mkdir(parents=True)
    (own / "labels" / "train-ids.toml").write_text('summary = "x"\nsource = "y"\n[ids]\n0 = 0\n')
    with pytest.raises(UserError, match="two label tables are called 'train-ids'"):
        load_table("train-ids", [fake_cards, own])
