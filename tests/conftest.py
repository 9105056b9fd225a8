"""Shared fixtures: a small spec and results made from it. Imports no torch, so the light tests run without it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

# Nothing is fetched: a hub that is asked for answers from its cache alone.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Each xdist worker is one core's worth: more threads only fight over the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

from bench.cost.figures import Parameters, RunCost, Times
from bench.result import (
    CurvePoint,
    Provenance,
    Reliability,
    RunResult,
    Seconds,
    TargetResult,
    result_path,
    write_result,
)
from bench.spec import HeadConfig, Recipe, RunSpec, Source, Target, Track, spec_hash

pytest_plugins = ("browser",)  # its fixtures: the static page in a Chromium

if TYPE_CHECKING:
    from bench.cost.records import Job
    from bench.observer import Observer

CLASSES = 3
IMAGES = 2

TARGETS = (
    Target(name="source", dataset="toy-home", group="source"),
    Target(name="east", dataset="toy-east", group="unseen"),
    Target(name="west", dataset="toy-west", group="unseen"),
    Target(name="mist", dataset="toy-mist", group="weather"),
    Target(name="contrast", dataset="toy-east", group="corruption", corruption="contrast", severity=3),
)

SpecFactory = Callable[..., RunSpec]
ResultFactory = Callable[..., RunResult]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """SIGINT as a terminal leaves it: a shell that starts the tests in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def quick(patch: pytest.MonkeyPatch) -> None:
    """Runs measure their cost in this process, and shortly: a process of its own takes seconds to import torch."""
    from bench.cost import of_run, profile

    def measure(job: Job, observer: Observer, task: str) -> dict[str, Any]:
        from bench.cost.worker import work

        found: dict[str, Any] = {"throughput": [], "missing": {}}
        work(job.model_copy(update={"threads": None}), lambda line: profile._note(line, found))
        return found

    patch.setattr(of_run, "measure", measure)
    patch.setattr(of_run, "SECONDS", 0.001)


@pytest.fixture(autouse=True)
def quick_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `quick`. Fixtures of a module are made before this one, and measure as a user's runs do."""
    quick(monkeypatch)


@pytest.fixture
def fake_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The suite's cards without counts and sizes, which are those of the real data, and no places but those told."""
    from bench.data import cards, roots

    folder = tmp_path / "cards"
    shutil.copytree(cards.FOLDER, folder)
    for path in folder.glob("*.toml"):
        path.write_text(re.sub(r"^(count = .*|size = \[.*)\n", "", path.read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(cards, "FOLDER", folder)
    monkeypatch.setattr(cards, "_ADDED", [])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    for name in [name for name in os.environ if name.startswith(roots.ROOT_VARIABLE.removesuffix("DATA"))]:
        monkeypatch.delenv(name)
    return folder


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A data root with Cityscapes alone, which a test may spoil."""
    from trees import cityscapes

    return cityscapes(tmp_path / "data")


_SIZES = re.compile(
    r"^(window|cityscapes|bdd100k|mapillary|acdc|img_size|crop|short_edges|long_edge_max|jitter|backbone)"
)


@pytest.fixture
def small_protocols(fake_cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size in protocols and tracks a sixteenth of what it is: so are the pictures of the fake trees."""
    from bench import protocols

    def shrunk(line: str) -> str:
        return re.sub(r"\b(\d{3,4})\b", lambda number: str(max(2, int(number[0]) // 16)), line)

    folder = tmp_path / "protocols"
    shutil.copytree(protocols.FOLDER, folder)
    for path in folder.rglob("*.toml"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(shrunk(line) if _SIZES.match(line) else line for line in lines))
    monkeypatch.setattr(protocols, "FOLDER", folder)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on a single thread, as each process of a pre-training has it."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_spec() -> SpecFactory:
    """A spec with five targets; keyword arguments replace its fields."""

    def make(**fields: Any) -> RunSpec:
        defaults: dict[str, Any] = {
            "method": "toy",
            "method_config": {"rank": 4, "linked": True, "scale": 0.001},
            "backbone": "vit-toy",
            "backbone_config": {"patch_size": 8, "mean": [0.5, 0.5, 0.5]},
            "weights": "sha256:" + "0" * 64,
            "head": HeadConfig(hidden=32, heads=2),
            "protocol": "toyland",
            "sources": (Source(dataset="toy-train"),),
            "targets": TARGETS,
            "data": {"toy-train": "1", "toy-home": "1", "toy-east": "1", "toy-west": "1", "toy-mist": "1"},
            "track": Track(name="native"),
            "recipe": Recipe(iterations=2, crop=(16, 32), short_edges=(16,)),
        }
        return RunSpec(**defaults | fields)

    return make


@pytest.fixture
def per_image() -> Callable[[RunResult], dict[str, Any]]:
    """Per-image counts that add up to a result's matrices."""

    def split(result: RunResult) -> dict[str, Any]:
        counts = {}
        for name, target in result.targets.items():
            whole = target.confusion
            first = whole // IMAGES
            counts[name] = np.stack([first, whole - first])
        return counts

    return split


def a_cost(latency_ms: float) -> RunCost:
    """What a run costs that has 1000 trainable parameters of 5000, all of them in its head."""
    counts = {"trainable": 1000, "total": 5000, "backbone": 4000, "head": 1000, "adapter": 0}
    trainable = {"trainable_backbone": 0, "trainable_head": 1000, "trainable_adapter": 0}
    return RunCost(
        parameters=Parameters.model_validate(counts | trainable),
        size=(16, 32),
        train_batch=4,
        seconds=1.0,
        gflops=1.5,
        latency=Times(median_ms=latency_ms, p25_ms=1.5, p75_ms=9.0, p95_ms=9.5, runs=10, warm_up=3),
        missing={"energy": "no counter"},
    )


@pytest.fixture
def make_result(make_spec: SpecFactory) -> ResultFactory:
    """A result of ``make_spec(**fields)``; each target's diagonal is drawn from the seed, so mIoUs differ."""

    def make(state: str = "complete", done: int = len(TARGETS), device: str = "toy cpu", **fields: Any) -> RunResult:
        spec = make_spec(**fields)
        rng = np.random.default_rng([spec.seed, len(spec.method)])
        targets = {}
        for target in spec.targets[:done]:
            matrix = rng.integers(5, 40, (CLASSES, CLASSES)) + 100 * np.eye(CLASSES, dtype=int)
            targets[target.name] = TargetResult(
                group=target.group,
                images=IMAGES,
                confusion=matrix,
                reliability=Reliability(
                    bins=[(int(matrix.sum()), 0.8 * float(matrix.sum()), int(matrix.trace()))], nll_sum=1.0
                ),
                file_list_hash="0" * 16,
                seconds=0.5,
            )
        finished = state == "complete"
        return RunResult.model_validate(
            {
                "state": state,
                "spec": spec,
                "spec_hash": spec_hash(spec),
                "provenance": Provenance(
                    commit=None,
                    dirty=None,
                    packages={"numpy": "2.0", "torch": "2.9"},
                    python="3.11.0",
                    platform="Toy",
                    device="cpu",
                    device_name=device,
                    threads=1,
                ),
                "targets": targets,
                "curve": [CurvePoint(iteration=1, loss=2.5, lr=1e-3)],
                "cost": a_cost(latency_ms=2.0 + spec.seed) if finished else None,
                "seconds": Seconds(train=1.0, evaluate=2.0, profile=0.5, total=4.0),
            }
        )

    return make


@pytest.fixture
def saved(tmp_path: Path, make_result: ResultFactory, per_image: Callable[[RunResult], Any]) -> tuple[RunResult, Path]:
    """A complete result on disk, and its path."""
    result = make_result()
    path = result_path(result.spec, tmp_path)
    write_result(result, path, per_image(result))
    return result, path
