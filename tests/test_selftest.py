"""The conformance test: every method of the suite and an installed one pass; each kind of broken one is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench import cli
from bench.api import Backbone, Head, HeadFactory, MethodCard, MethodConfig, Segmenter, freeze
from bench.params import methods_on_backbones
from bench.registry import METHODS
from bench.selftest import selftest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", methods_on_backbones())
def test_every_method_of_the_suite_passes(name: str) -> None:
    checks = selftest(METHODS.get(name))
    assert len(checks) == 11
    assert not [check for check in checks if check.problem]


@pytest.mark.parametrize("backbone", ["timm:convnext_atto", "timm:swin_tiny_patch4_window7_224", "timm:resnet18"])
def test_rein_passes_on_hierarchical_backbones(backbone: str) -> None:
    assert not [check for check in selftest(METHODS.get("rein"), backbone) if check.problem]


def broken(build: object) -> MethodCard:
    return MethodCard(name="broken", summary="broken", build=build)  # type: ignore[arg-type]


class Remembers(nn.Module):
    """An adapter that keeps a pass's tokens where another pass overwrites them."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))
        self.last = last

    def forward(self, tokens: Tensor, block: int) -> Tensor:
        if block == 0:
            self.first = tokens
        time.sleep(0)  # another thread may go on here, as it may anywhere
        return tokens + self.bias + (self.first if block == self.last else 0)


class Hidden(nn.Module):
    """An adapter that keeps something outside its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = torch.zeros(1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor, block: int) -> Tensor:
        if self.training:
            self.calls += 1
        return tokens + self.bias + self.calls


def moves_a_frozen_parameter(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    freeze(backbone)

    class Nudge(nn.Module):
        def forward(self, tokens: Tensor, block: int) -> Tensor:
            with torch.no_grad():
                next(iter(backbone.parameters())).add_(1e-3)
            return tokens

    return Segmenter(backbone, make_head(backbone.channels), Nudge())


def keeps_state_elsewhere(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    return Segmenter(freeze(backbone), make_head(backbone.channels), Hidden())


def mixes_threads(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    return Segmenter(freeze(backbone), make_head(backbone.channels), Remembers(backbone.depth - 1))


def does_not_learn(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    return Segmenter(freeze(backbone), make_head(backbone.channels), lr_scale={"head.": -1.0})


def trains_nothing(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    return Segmenter(freeze(backbone), freeze(make_head(backbone.channels)))


def has_a_dead_parameter(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    head: Head = make_head(backbone.channels)
    head.unused = nn.Parameter(torch.zeros(1))
    return Segmenter(freeze(backbone), head)


def has_its_own_dice(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    head = make_head(backbone.channels)
    with torch.no_grad():
        next(iter(head.parameters())).normal_(generator=torch.Generator().manual_seed(torch.seed() % 1000))
    return Segmenter(freeze(backbone), head)


def fails(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    raise RuntimeError("no such\nthing")


@pytest.mark.parametrize(
    ("build", "failed"),
    [
        (moves_a_frozen_parameter, "only declared parameters move"),
        (keeps_state_elsewhere, "its state survives saving and loading"),
        (mixes_threads, "two threads at once"),
        (does_not_learn, "two steps lower the loss"),
        (trains_nothing, "something trains"),
        (has_a_dead_parameter, "something trains"),
        (has_its_own_dice, "the same seed builds the same model"),
        (fails, "it builds"),
    ],
)
def test_what_is_broken_is_told(build: object, failed: str) -> None:
    problems = {check.name: check.problem for check in selftest(broken(build)) if check.problem}
    assert failed in problems
    assert all("\n" not in problem for problem in problems.values())


def test_the_command_says_what_failed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["selftest", "--method", "frozen"]) == 0
    assert capsys.readouterr().out.count("ok ") == 11
    monkeypatch.setattr(METHODS, "get", lambda name: broken(does_not_learn))
    assert cli.main(["selftest", "--method", "frozen", "--json"]) == 1
    assert [check["name"] for check in json.loads(capsys.readouterr().out) if check["problem"]]
    monkeypatch.undo()
    assert cli.main(["selftest", "--method", "mmseg"]) == 2
    assert "brings its own model" in capsys.readouterr().err
    assert cli.main(["selftest", "--method", "forzen"]) == 2
    assert "did you mean 'frozen'?" in capsys.readouterr().err


def test_an_installed_package_is_found_and_passes(tmp_path: Path) -> None:
    package = ROOT / "tests" / "plugin_pkg"
    source = tmp_path / "source"
    source.mkdir()
    for path in package.rglob("*"):  # a build writes beside its source
        if path.is_file() and path.suffix in (".py", ".toml"):
            copy = source / path.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(source)], check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "site")])}

    def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    listed = json.loads(bench("ls", "methods", "--json").stdout)
    assert "plugin/example" in [row["name"] for row in listed]
    done = bench("selftest", "--method", "plugin/example")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    wrong = bench("selftest", "--method", "plugin/exmaple")
    assert (wrong.returncode, "did you mean 'plugin/example'?" in wrong.stderr) == (2, True)
