"""One lazy registry: a file in a folder is a plugin; entry points are looked at only on a miss.

Listing names imports nothing; a plugin's module is imported by ``get`` alone.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from bench.errors import DamagedFile, PrerequisiteError, UnknownName, UserError

if TYPE_CHECKING:
    from bench.api import MethodCard

T = TypeVar("T")


class Registry(Generic[T]):
    """Plugins of one kind, by name.

    Built in: ``<folder>/<name>.py`` or ``<folder>/<name>/__init__.py``, imported as
    ``<folder's name>.<name>``. Third parties: entry points of ``group``, named
    ``<distribution>/<entry point>``. Either way the plugin is the module's ``attr``.
    """

    def __init__(self, kind: str, folder: Path, group: str, attr: str = "CARD") -> None:
        self.kind, self.folder, self.group, self.attr = kind, folder, group, attr

    def names(self, *, third_party: bool = False) -> list[str]:
        """Built-in names, sorted; with ``third_party`` also those of installed packages."""
        names = [path.stem for path in self.folder.glob("*.py")]
        names += [path.parent.name for path in self.folder.glob("*/__init__.py")]
        names = [name for name in names if not name.startswith("_")]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            both = f"{self.folder / doubles[0]}.py and {self.folder / doubles[0]}/__init__.py"
            raise UserError(f"two {self.kind}s are called {doubles[0]!r}: {both}; rename one")
        return sorted(names) + (sorted(self._entry_points()) if third_party else [])

    def get(self, name: str) -> T:
        """The plugin called ``name``. Raises UnknownName, or DamagedFile if it defines no plugin."""
        if name in self.names():
            return self._load(f"{self.folder.name}.{name}", self._file(name), self.attr)
        third = self._entry_points()
        if name in third:
            point = third[name]
            return self._load(point.module, Path(point.module), point.attr or self.attr)
        raise UnknownName(self.kind, name, [*self.names(), *third])

    def _load(self, module_name: str, where: Path, attr: str) -> T:
        """The plugin of a module; an error of its own code shows where it is, as its author needs."""
        try:
            module = importlib.import_module(module_name)
        except SyntaxError as error:
            raise DamagedFile(Path(error.filename or where), f"line {error.lineno}: {error.msg}") from error
        except ModuleNotFoundError as error:
            raise PrerequisiteError(f"{where} imports {error.name}, which is not installed") from error
        if not hasattr(module, attr):
            raise DamagedFile(where, f"a {self.kind} must define {attr}")
        return cast(T, getattr(module, attr))

    def check(self, name: str) -> str:
        """``name`` if it is known, without importing it. Raises UnknownName."""
        if name not in self.names() and name not in self._entry_points():
            raise UnknownName(self.kind, name, self.names(third_party=True))
        return name

    def summary(self, name: str) -> str:
        """First line of the plugin's docstring, read without importing it."""
        if name not in self.names():
            return f"entry point {self._entry_points()[self.check(name)].value}"
        path = self._file(name)
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError) as error:
            return f"cannot be read: {error}"
        return (ast.get_docstring(tree) or "").partition("\n")[0]

    def digest(self, name: str) -> str | None:
        """16 hex digits that change when the plugin's own files do; None where there are none."""
        if name in self.names():
            path = self._file(name)
        else:
            found = importlib.util.find_spec(self._entry_points()[self.check(name)].module)
            if found is None or found.origin is None:
                return None
            path = Path(found.origin)
        files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        code = b"".join(file.read_bytes() for file in files if file.is_file())
        return hashlib.sha256(code).hexdigest()[:16] if code else None

    def _file(self, name: str) -> Path:
        module = self.folder / f"{name}.py"
        return module if module.is_file() else self.folder / name / "__init__.py"

    def _entry_points(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            package = point.dist.name if point.dist is not None else "unknown"
            name = f"{package}/{point.name}"
            if name in found and found[name].value != point.value:
                raise UserError(f"two {self.kind}s are called {name!r}: {found[name].value} and {point.value}")
            found[name] = point
        return found


METHODS: Registry[MethodCard] = Registry(
    "method", Path(__file__).resolve().parent.parent / "methods", "dgss_bench.methods"
)
