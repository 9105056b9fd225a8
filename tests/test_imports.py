"""The doors of the house, held: who may import whom, by reading the code and by really importing it."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TORCH_FREE = (
    *("bench", "bench.cli", "bench.errors", "bench.registry", "bench.spec", "bench.result", "bench.provenance"),
    *("bench.protocols", "bench.listing", "bench.progress", "bench.observer", "bench.metrics"),
    *("bench.report.scores", "bench.report.single", "bench.report.frame", "bench.report.tables"),
    *("bench.per_image", "bench.report.board", "bench.report.compare", "bench.report.validate"),
    *("bench.reported", "bench.report.reported", "bench.report.plots", "bench.cli_plot", "bench.report.page"),
    *("bench.models.card", "bench.models.hub", "bench.data.cards"),
    *("bench.cost", "bench.cost.records", "bench.cost.table", "bench.cost.busy", "bench.markdown"),
    *("bench.gate", "bench.gate.baseline", "bench.gate.compare", "bench.gate.table"),
    *("bench.generated", "bench.generated.prompts", "bench.generated.streets"),
)
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "huggingface_hub": "huggingface-hub",
    "lightning_fabric": "lightning-fabric",
    "mmcv": "mmcv-lite",
    "open_clip": "open_clip_torch",
    "pynvml": "nvidia-ml-py",
    "mmseg": "mmsegmentation",
    "sklearn": "scikit-learn",
}
"""Import name -> distribution, where they differ."""
HEAVY = {"torch", "torchvision", "timm", "transformers", "lightning_fabric"}
SOURCES = sorted(path for folder in ("bench", "methods", "tests") for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Every module an ``import`` in the file names, at any depth of nesting, ``from a import b`` as a and a.b."""
    found: set[str] = set()
    package = module_name(path).split(".") if path.name == "__init__.py" else module_name(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_the_walk_sees_imports(tmp_path) -> None:
    nested = ROOT / "bench" / "__init__.py"
    assert module_name(nested) == "bench"
    assert {"bench.cli", "bench.cli.main"} <= imported(ROOT / "bench" / "__main__.py")
    assert "bench.run.run" in imported(ROOT / "bench" / "cli.py"), "imports inside functions count"
    assert len(SOURCES) > 30


@pytest.mark.parametrize("path", sorted((ROOT / "methods").rglob("*.py")), ids=lambda path: path.stem)
def test_methods_import_the_api_and_libraries_only(path: Path) -> None:
    ours = {name for name in imported(path) if within(name, "bench") or within(name, "methods")}
    own = module_name(path)  # a package may import its own files
    strangers = {name for name in ours if not within(name, "bench.api") and not within(name, own) and name != "bench"}
    assert not strangers


def test_the_core_imports_no_plugin() -> None:
    core = [path for path in SOURCES if path.is_relative_to(ROOT / "bench")]
    assert not {str(path) for path in core if any(within(name, "methods") for name in imported(path))}


def test_nobody_imports_the_command_line() -> None:
    core = [path for path in SOURCES if not path.is_relative_to(ROOT / "tests")]
    users = {module_name(path) for path in core if any(within(name, "bench.cli") for name in imported(path))}
    assert users == {"bench.__main__"}


def test_every_library_is_declared() -> None:
    """What a fresh environment would miss: imports that pyproject.toml does not ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed, extras = project["dependencies"], project["optional-dependencies"]
    own = {path.stem for path in SOURCES} | {"bench", "methods"} | set(sys.stdlib_module_names)
    own |= {path.parent.name for path in SOURCES if path.name == "__init__.py"}
    methods = needed + extras["mmseg"] + extras["clouds"]
    # transformers brings tokenizers
    places = {
        "bench": needed + extras["clouds"] + extras["energy"],
        "methods": methods,
        "tests": methods + extras["test"] + ["tokenizers"],
    }
    for folder, requirements in places.items():
        declared = {re.split(r"[<>=]", line)[0] for line in requirements}
        paths = [path for path in SOURCES if path.is_relative_to(ROOT / folder)]
        roots = {name.partition(".")[0] for path in paths for name in imported(path)} - own - {""}
        assert {DISTRIBUTIONS.get(root, root) for root in roots} <= declared, folder


def test_nobody_imports_datasets() -> None:
    assert not {str(path) for path in SOURCES if any(within(name, "datasets") for name in imported(path))}


def test_the_datasets_folder_holds_data_only() -> None:
    files = [path for path in (ROOT / "datasets").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if path.suffix in {".py", ".pyi", ".pyc", ".so"}]


@pytest.mark.parametrize("room", TORCH_FREE)
def test_torch_free_rooms(room: str) -> None:
    code = f"import sys, {room}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_name_datasets_stays_hugging_faces() -> None:
    """With their package installed it is theirs, also from this checkout; without it nothing importable is here."""
    try:
        theirs = Path(str(distribution("datasets").locate_file("datasets/__init__.py")))
    except PackageNotFoundError:
        theirs = None
    spec = importlib.util.find_spec("datasets")
    assert (spec.origin if spec else None) == (str(theirs) if theirs else None)
