"""The documents' snippets work as printed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image

from bench import cli, protocols
from bench import resolve as resolve_module
from bench.data.cards import FilesCard, StreetsCard
from bench.models import build as build_module
from bench.models import card as cards
from bench.models.timm_models import describe
from bench.registry import Registry
from bench.selftest import selftest
from bench.spec import Target

DOCS = Path(__file__).resolve().parent.parent / "docs"


def snippets(name: str, language: str) -> list[str]:
    """The fenced blocks of a document in a language; "" for fences that name none."""
    parts = re.split(r"^```(\w*)\n", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    fences = list(zip(parts[1::2], parts[2::2], strict=True))
    return [text for opened, text in fences[::2] if opened == language]


@pytest.fixture
def methods(tmp_path, monkeypatch):
    """A folder of methods with the documented one in it, in place of the suite's."""
    folder = tmp_path / "documented"
    folder.mkdir()
    (code,) = snippets("adding_a_method.md", "python")
    (folder / "bias.py").write_text(code, encoding="utf-8")
    registry = Registry("method", folder, "dgss_bench.none")
    for module in (resolve_module, build_module):
        monkeypatch.setattr(module, "METHODS", registry)
    monkeypatch.syspath_prepend(tmp_path)
    yield registry
    for name in [name for name in sys.modules if name.partition(".")[0] == "documented"]:
        del sys.modules[name]


def test_the_documented_method_trains(methods) -> None:
    assert methods.summary("bias").startswith("One learnable vector")
    spec = resolve_module.resolve("bias", "eva02", sets=["weights=random", "start=0.01"])
    segmenter = build_module.build_segmenter(spec)
    names = segmenter.trainable_names()
    assert "adapter.vectors.0" in names
    assert not any(name.startswith("backbone.") for name in names)
    assert segmenter.no_decay("adapter.vectors.0")
    images, labels = torch.rand(1, 3, 64, 128), torch.randint(0, 19, (1, 64, 128))
    torch.stack(list(segmenter.loss(images, labels).values())).sum().backward()
    assert all((vector.grad.abs() > 0).any() for vector in segmenter.adapter.vectors)
    assert segmenter.logits(images).shape == (1, 19, 64, 128)


def test_the_documented_cards_hold() -> None:
    files, card, target = snippets("adding_a_dataset.md", "toml")
    assert FilesCard.model_validate(tomllib.loads(files)).name == "lyon-val"
    assert StreetsCard.model_validate(tomllib.loads(card)).name == "streets-fog-large"
    Target.model_validate(tomllib.loads(f"target = {target}")["target"])


def test_the_documented_backbone_is_added_by_its_card_alone(tmp_path, monkeypatch) -> None:
    (text,) = snippets("adding_a_backbone.md", "toml")
    (tmp_path / "dfn-clip-base.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    card = cards.load_card("dfn-clip-base")
    known = describe(card.architecture)
    assert (card.mean, card.std, card.hub, card.img_size) == tuple(
        known[field] for field in ("mean", "std", "hub", "img_size")
    )
    assert (card.was_seen("gta5"), card.was_seen("acdc")) == ("unknown", "unknown")
    spec = resolve_module.resolve("rein", "dfn-clip-base", sets=["weights=random"])
    segmenter = build_module.build_segmenter(spec)
    with torch.no_grad():
        assert segmenter.eval().logits(torch.rand(1, 3, 64, 128)).shape == (1, 19, 64, 128)
    (method,) = [line for line in snippets("adding_a_backbone.md", "")[0].splitlines() if "timm:" in line]
    words = method.split()
    name = words[words.index("--backbone") + 1]
    assert cards.load_card(name).config() == card.config(), "without a card timm says the same"


def test_documented_commands_name_real_verbs_and_options(capsys) -> None:
    commands = [
        line.removeprefix("python -m bench ").split()
        for path in sorted(DOCS.glob("*.md"))
        for block in snippets(path.name, "")
        for line in block.splitlines()
        if line.startswith("python -m bench ")
    ]
    assert len(commands) >= 5
    for command in commands:
        verb = command[:2] if command[0] == "data" else command[:1]
        assert cli.main([*verb, "--help"]) == 0
        text = capsys.readouterr().out
        assert all(word.partition("=")[0] in text for word in command if word.startswith("--")), command


def test_the_documented_method_passes_the_documented_selftest(methods) -> None:
    assert not [check for check in selftest(methods.get("bias")) if check.problem]


def test_the_documented_protocol_resolves(tmp_path, monkeypatch) -> None:
    (text,) = snippets("adding_a_protocol.md", "toml")
    (tmp_path / "night-only.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(protocols, "FOLDER", tmp_path)
    spec = resolve_module.resolve("rein", "eva02", "night-only")
    assert [target.name for target in spec.targets] == ["source", "harbour", "weather-night"]
    assert (spec.backbone, spec.recipe.iterations, spec.method_config["rank"]) == ("eva02-mini", 300, 0)


def test_the_readmes_picture_of_the_page_shows_the_leaderboard_as_it_is() -> None:
    """Pixels depend on the fonts of a machine, so what was shown is compared, not how."""
    now = hashlib.sha256((DOCS.parent / "results" / "leaderboard.csv").read_bytes()).hexdigest()
    assert "docs/images/page.png" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
    with Image.open(DOCS / "images" / "page.png") as picture:
        assert picture.width == 1200
        assert picture.text["leaderboard"] == now, "python docs/page_picture.py"


def test_readme_is_brought_up_to_date_by_one_command() -> None:
    spec = importlib.util.spec_from_file_location("refresh", DOCS / "refresh.py")
    assert spec is not None
    assert spec.loader is not None
    refresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(refresh)
    text, made = refresh.README.read_text(encoding="utf-8"), refresh.table()
    assert refresh.with_table(text, made) == text, "python docs/refresh.py"
    stale = text.replace("| 1= | rein | eva02-mini |", "| 4 | rein | eva02-mini |")
    assert stale != text
    assert refresh.with_table(stale, made) == text


PERFORMANCE = (DOCS / "performance.md").read_text(encoding="utf-8")


def cells(row: str) -> list[float]:
    """The numbers of the one row of performance.md's tables that begins with this."""
    (found,) = re.findall(rf"^\| (?:\*\*)?{re.escape(row)}(?:\*\*)? \|(.*)\|$", PERFORMANCE, re.MULTILINE)
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", found)]


def test_the_floors_table_adds_up_and_its_text_says_what_it_holds() -> None:
    whole, floor, times = cells("all"), cells("floor"), cells("all / floor")
    assert times == [round(a / b, 2) for a, b in zip(whole, floor, strict=True)]
    kinds = ["matrix products", "convolutions", "attention"]
    rest = ["deformable sampling", "copies and casts", "norms, softmax, activations", "all else"]
    sums = [[sum(column) for column in zip(*map(cells, names), strict=True)] for names in (kinds, rest)]
    for total, *parts in zip(whole, *sums, strict=True):
        assert sum(parts) == pytest.approx(total, rel=0.1), "whole and parts are measured one after the other"
    third = round(whole[1] / 3)
    for text in (
        f"Products, convolutions and attention take {sums[0][2]:.0f} ms instead of {floor[2]:.0f}",
        f"{sums[1][2]:.0f} ms after {sums[1][0]:.0f}",
        f"are {third:,}",
        f"would leave {third - sums[1][2]:.0f} ms",
        f"{third - floor[2]:.0f} ms for the rest",
    ):
        assert text in PERFORMANCE, text


def test_ratios_are_near_those_of_the_medians() -> None:
    """They are the medians of the rounds' ratios, as the text says; of another measurement they would be far."""
    rows = re.findall(r"^\|[^|]+\| ([\d,]+) ms \| ([\d,]+) ms \| ([\d.]+) \|", PERFORMANCE, re.MULTILINE)
    assert len(rows) >= 8
    for ours, theirs, ratio in rows:
        medians = float(theirs.replace(",", "")) / float(ours.replace(",", ""))
        assert float(ratio) == pytest.approx(medians, abs=0.1)


def test_the_cost_in_committed_results_is_what_the_text_says() -> None:
    stored: dict[str, set[float | None]] = {}
    for path in (DOCS.parent / "results").glob("*/*/*/*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["spec"]["backbone"] == "eva02-mini" and "parameters" not in document["cost"]:  # of schema 2
            stored.setdefault(document["spec"]["method"], set()).add(round(document["cost"]["gflops"], 5))
    baseline = json.loads((DOCS.parent / "results" / "baselines" / "streets.json").read_text(encoding="utf-8"))
    now = {method: round(entry["gflops"], 5) for method, entry in baseline["methods"].items()}
    assert f"`rein` on `eva02-mini` has {stored['rein'].pop()} stored, and {now['rein']} is counted now" in PERFORMANCE
    assert f"(`frozen` and `full` {stored['full'].pop()} and {now['full']})" in PERFORMANCE
