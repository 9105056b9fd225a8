"""What has several severities: corruptions, and targets that are named after a kind of weather and a number."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from bench.report.plots.data import Table
from bench.report.scored import Scored


def ladders(table: Table) -> pd.DataFrame:
    """What has several severities: a line a run, kind and severity, with columns label, seed, what, severity, score.

    Kinds are corruptions, and targets named after a kind and a number (`fog-3`). Severity 0 is the same images clean,
    where all runs have them.
    """
    lines = [line for label, runs in table.runs.items() for run in runs for line in _steps(label, run)]
    found = pd.DataFrame(lines, columns=["label", "seed", "what", "severity", "score"])
    several = found[found["severity"] > 0].groupby("what")["severity"].nunique()
    found = found[found["what"].isin(several[several > 1].index)]
    clean = found[found["severity"] == 0].groupby("what").size()
    whole = found.drop_duplicates(["label", "seed", "what"]).groupby("what").size()
    without = [what for what in whole.index if clean.get(what, 0) < whole[what]]
    return found[~(found["what"].isin(without) & (found["severity"] == 0))]


def _steps(label: str, run: Scored) -> Iterable[tuple[str, int, str, int, float]]:
    """(label, seed, what, severity, score) of one run."""
    mious, swept, seed = run.found.mious, run.swept, run.spec.seed
    for name, row in swept.grid.items() if swept else ():
        yield from ((label, seed, name, severity, score) for severity, score in row.items())
        if swept is not None and swept.clean is not None:
            yield label, seed, name, 0, swept.clean
    fair = [mious[target.name] for target in run.spec.targets if target.group == "reference"]
    kinds = set()
    for target in run.spec.targets:
        match = re.fullmatch(r"([a-z]+)-([1-5])", target.name)
        score = mious[target.name]
        if match and target.corruption is None and score is not None:
            kinds.add(match[1])
            yield label, seed, match[1], int(match[2]), score
    if len(fair) == 1 and fair[0] is not None:
        yield from ((label, seed, kind, 0, fair[0]) for kind in sorted(kinds))
