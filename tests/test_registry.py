"""The registry finds files lazily, suggests names, and looks at entry points only when no file has the name."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from bench import registry as module
from bench.errors import DamagedFile, PrerequisiteError, UnknownName, UserError
from bench.registry import METHODS, Registry


@pytest.fixture
def plugins(tmp_path, monkeypatch) -> Registry[str]:
    """A folder with a file, a package, a private file and one without a plugin."""
    folder = tmp_path / "toyplugins"
    (folder / "package").mkdir(parents=True)
    (folder / "alpha.py").write_text('"""First.\n\nMore."""\nCARD = "alpha card"\n')
    (folder / "package" / "__init__.py").write_text('"""Second."""\nCARD = "package card"\n')
    (folder / "_private.py").write_text("")
    (folder / "empty.py").write_text("")
    (folder / "broken.py").write_text('"""Broken."""\nraise RuntimeError("imported")\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry("toy", folder, "dgss_bench.toys")
    for name in [name for name in sys.modules if name.partition(".")[0] == "toyplugins"]:
        del sys.modules[name]


def test_listing_imports_nothing(plugins) -> None:
    assert plugins.names() == ["alpha", "broken", "empty", "package"]
    assert plugins.summary("broken") == "Broken."
    assert plugins.summary("alpha") == "First."
    assert not any(name.startswith("toyplugins") for name in sys.modules)


def test_get_imports_only_what_is_asked_for(plugins) -> None:
    assert plugins.get("alpha") == "alpha card"
    assert plugins.get("package") == "package card"
    assert "toyplugins.broken" not in sys.modules


def test_an_error_inside_a_plugin_is_not_hidden(plugins) -> None:
    with pytest.raises(RuntimeError, match="imported"):
        plugins.get("broken")


def test_a_plugin_that_cannot_be_imported_is_named(plugins) -> None:
    (plugins.folder / "typo.py").write_text('"""Typo."""\ndef f(:\n')
    (plugins.folder / "needy.py").write_text('"""Needy."""\nimport no_such_package.part\n')
    assert plugins.summary("typo").startswith("cannot be read: ")
    with pytest.raises(DamagedFile, match=r"typo\.py: line 2"):
        plugins.get("typo")
    with pytest.raises(PrerequisiteError, match=r"needy\.py imports no_such_package, which is not installed"):
        plugins.get("needy")


def test_the_digest_changes_with_the_file(plugins) -> None:
    before = plugins.digest("alpha")
    assert before == plugins.digest("alpha") != plugins.digest("package")
    (plugins.folder / "alpha.py").write_text('CARD = "another"\n')
    assert plugins.digest("alpha") != before


def test_the_digest_of_a_package_changes_with_any_of_its_files(plugins) -> None:
    before = plugins.digest("package")
    (plugins.folder / "package" / "part.py").write_text("x = 1\n")
    after = plugins.digest("package")
    (plugins.folder / "package" / "part.py").write_text("x = 2\n")
    assert len({before, after, plugins.digest("package")}) == 3


def test_a_file_without_a_plugin_is_named(plugins) -> None:
    with pytest.raises(DamagedFile, match=r"empty\.py.*must define CARD"):
        plugins.get("empty")


def test_misses_suggest(plugins) -> None:
    with pytest.raises(UnknownName, match=r"unknown toy 'alfa'; did you mean 'alpha'\? \(known: alpha, broken"):
        plugins.get("alfa")
    with pytest.raises(UnknownName, match=r"^unknown toy 'zzzz' \(known"):
        plugins.check("zzzz")


def test_two_files_with_one_name(plugins) -> None:
    (plugins.folder / "alpha").mkdir()
    (plugins.folder / "alpha" / "__init__.py").write_text("")
    with pytest.raises(UserError, match=r"two toys are called 'alpha'.*alpha\.py and .*__init__\.py"):
        plugins.get("package")


class _Distribution:
    name = "acme"


class _Point(EntryPoint):
    """An entry point as an installed distribution gives it."""

    @property
    def dist(self):  # type: ignore[override]  # stands in for a Distribution
        return _Distribution


def test_entry_points_are_looked_at_on_a_miss_only(plugins, monkeypatch) -> None:
    asked = []

    def fake(group: str) -> list[EntryPoint]:
        asked.append(group)
        return [_Point("beta", "toyplugins.alpha", group), _Point("direct", "toyplugins.alpha:CARD", group)]

    monkeypatch.setattr(module, "entry_points", fake)
    plugins.get("alpha")
    assert asked == []
    assert plugins.get("acme/beta") == "alpha card"
    assert plugins.get("acme/direct") == "alpha card"
    assert plugins.names(third_party=True)[-2:] == ["acme/beta", "acme/direct"]
    assert set(asked) == {"dgss_bench.toys"}
    with pytest.raises(UnknownName, match="did you mean 'acme/beta'"):
        plugins.get("acme/bet")


def test_colliding_entry_points_show_both_sides(plugins, monkeypatch) -> None:
    points = [_Point("beta", value, "g") for value in ("one:CARD", "two:CARD")]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    with pytest.raises(UserError, match="one:CARD and two:CARD"):
        plugins.get("acme/beta")


def test_the_methods_of_the_suite_are_files() -> None:
    assert {"frozen", "full", "rein"} <= set(METHODS.names())
    assert Path(METHODS.folder).name == "methods"
    assert all(METHODS.summary(name) for name in METHODS.names())
