"""What a result says of where it comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import provenance
from bench.provenance import Git, cpu_name, git_state

CPUINFO = """processor\t: 0
cpu family\t: {family}
model\t\t: {model}
model name\t: {name}
stepping\t: 1

processor\t: 1
cpu family\t: 99
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AMD  EPYC", "AMD EPYC (family 25, model 17)"),  # a virtual machine that hides the model
        ("AMD EPYC 9354 32-Core Processor", "AMD EPYC 9354 32-Core Processor"),
    ],
)
def test_processors_of_two_generations_have_two_names(tmp_path: Path, name: str, expected: str) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(family=25, model=17, name=name))
    assert cpu_name(path) == expected


def test_a_system_that_does_not_tell_gives_the_architecture(tmp_path: Path) -> None:
    assert cpu_name(tmp_path / "none")


def test_a_run_is_dirty_when_what_can_change_a_number_differs(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_state(tmp_path) == Git(None, None)
    git("init")
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "a.py").write_text("a = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "results.txt").write_text("a result\n")
    assert git_state(tmp_path) == Git(commit, False)
    (tmp_path / "bench" / "a.py").write_text("a = 2\n")
    assert git_state(tmp_path) == Git(commit, True)
    assert git_state(tmp_path / "bench") == Git(None, None)  # somebody else's repository around it


def test_collected_of_this_checkout() -> None:
    found = provenance.collect(threads=3)
    assert (found.device, found.threads) == ("cpu", 3)
    assert found.packages["torch"]
    assert str(Path.home()) not in found.model_dump_json()
