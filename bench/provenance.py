"""What made a run's numbers: commit, packages, interpreter, device. Nothing that names a person, host or path.

Remote URLs are not recorded at all, so no credentials can slip in through one.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from bench.result import Provenance

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("torch", "torchvision", "timm", "transformers", "numpy", "scipy", "numba", "opencv-python-headless"),
    *("opencv-python", "pillow", "imagecorruptions"),
    *("safetensors", "pydantic", "lightning-fabric", "mmsegmentation", "mmdet", "mmengine", "mmcv-lite", "mmcv"),
    *("diffusers", "open_clip_torch"),
)
CODE = ("bench", "methods", "datasets", "pyproject.toml")
"""What can change a number: only a change in here makes a run 'dirty' (results themselves do not)."""


class Git(NamedTuple):
    """The state of the checkout; Nones where there is no git or no checkout."""

    commit: str | None
    dirty: bool | None


def git_state(root: Path = ROOT) -> Git:
    """Commit and dirtiness of the checkout at ``root``; an enclosing, foreign repository does not count."""
    top = _git(root, "rev-parse", "--show-toplevel")
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if top is None or commit is None or Path(top).resolve() != root.resolve():
        return Git(None, None)
    changes = _git(root, "status", "--porcelain", "--", *CODE)
    return Git(commit, None if changes is None else bool(changes))


def collect(
    device: str = "cpu", device_name: str | None = None, threads: int | None = None, method_code: str | None = None
) -> Provenance:
    """Provenance of a run on ``device``; ``device_name`` defaults to the processor's."""
    git = git_state()
    return Provenance(
        commit=git.commit,
        dirty=git.dirty,
        packages=_packages(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        device_name=device_name or cpu_name(),
        threads=threads if threads is not None else os.cpu_count() or 1,
        method_code=method_code,
    )


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model name, or its architecture where the system does not tell.

    A virtual machine may hide the model ("AMD EPYC"): family and model number then tell generations apart, which
    differ in speed by as much as two.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), " ".join(value.split()))
    name = fields.get("model name", "")
    if name and not any(letter.isdigit() for letter in name) and {"cpu family", "model"} <= fields.keys():
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name or platform.processor() or platform.machine() or "cpu"


def _packages() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
