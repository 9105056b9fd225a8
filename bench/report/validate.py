"""Is a folder of results fit to be committed? What `python -m bench results validate` checks. Imports no torch.

Each file by itself: its schema, that its path is its content's (so no run is there twice), that its matrices, bins and
counts of single images agree (`bench.report.checks`), that it is its protocol's (`bench.report.departs`). Then what no
file can say alone (`bench.report.agreement`), and that the leaderboards beside them follow from them.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.byproducts import Byproducts
from bench.data import cards
from bench.errors import DamagedFile, UserError
from bench.per_image import names_in, per_image_path, read_per_image
from bench.report.agreement import Agreement
from bench.report.board import leaderboard, write_board
from bench.report.checks import of_one
from bench.report.departs import of_protocol
from bench.report.folder import require_root
from bench.report.scored import Known, Scored, score
from bench.result import each_result, result_path

LEADERBOARDS = "leaderboard.*"


class Validated(NamedTuple):
    """What was checked, and what is wrong."""

    files: int
    archives: int
    problems: list[str]
    """One line each."""


def validate(root: Path) -> Validated:
    """Check every file below `root`. Raises UserError where there is none, or `root` is another folder than theirs."""
    require_root(root)
    problems: list[str] = []
    scored: list[Scored] = []
    agreement, byproducts, known = Agreement(), Byproducts(), Known()
    archives, of_cards = 0, frozenset(cards.names())
    for result in each_result(root, byproducts=byproducts):
        try:
            if isinstance(result, DamagedFile):
                raise result
            path = result_path(result.spec, root, result.spec_hash)
            counts = read_per_image(path, result) if per_image_path(path).exists() else None
            scored.append(score(result, root, known, byproducts))
        except DamagedFile as error:
            problems.append(str(error))
            continue
        problems += [f"{path}: {what}" for what in (*of_one(result, of_cards), *of_protocol(result), *_twice(path))]
        archives += counts is not None
        if counts is None:
            problems.append(f"{path}: the counts of single images are not beside it ({per_image_path(path).name})")
        elif unknown := sorted(set(names_in(path)) - set(counts)):
            problems.append(f"{per_image_path(path)}: {unknown[0]!r} is no target of the result")
        agreement.add(result, path, counts)
    problems += [*agreement.problems(), *(f"{path}: no result of that name is beside it" for path in _strays(root))]
    if not scored and not problems:
        raise UserError(f"no result files below {root}: nothing was checked")
    return Validated(len(scored), archives, problems + list(_leaderboards(root, scored)))


def _twice(path: Path) -> Iterator[str]:
    """The keys that stand twice in one place of the text, of which a parser takes one."""
    found: list[str] = []

    def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found.extend(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        return dict(pairs)

    json.loads(path.read_bytes(), object_pairs_hook=object_of)
    yield from (f"{key!r} stands twice in one place" for key in found)


def _strays(root: Path) -> list[Path]:
    """Archives without a result, and what was moved aside."""
    found = [path for path in sorted(root.rglob("*.npz")) if not path.with_suffix(".json").exists()]
    found += sorted(root.rglob("*.damaged*"))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]


def _leaderboards(root: Path, scored: Sequence[Scored]) -> Iterator[str]:
    """The leaderboards that are there, and are not what the results give."""
    there = {path.name: path for path in sorted(root.glob(LEADERBOARDS))}
    if not there:
        return
    with tempfile.TemporaryDirectory() as folder:
        made = write_board(leaderboard(scored), Path(folder))
        for path in made:
            if path.name not in there or there[path.name].read_bytes() != path.read_bytes():
                yield f"{root / path.name}: not what the results give: run `python -m bench report`"
