"""Ranks over many targets, and which of them may be chance: Friedman's test and Nemenyi's critical difference.

Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets (JMLR 7, 2006), section 3.2.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, studentized_range

ALPHA = 0.05


class Ranks(NamedTuple):
    """Mean ranks and what they can tell apart."""

    mean: dict[str, float]
    """Row -> mean rank over the targets, 1 is best; the best first."""
    targets: int
    critical: float
    """Rows whose mean ranks differ by less are not told apart at `ALPHA`."""
    p_value: float
    """Of Friedman's test that all rows are equal; NaN for fewer than three rows, for which it is not made."""
    alike: list[tuple[str, ...]]
    """The largest sets of neighbours that are not told apart, of two rows or more."""


def ranks(scores: pd.DataFrame) -> Ranks:
    """Ranks of a table of scores: a line a target, a column a row of the leaderboard, higher is better.

    Equal scores share the mean of their ranks. Raises ValueError for fewer than two columns or lines, or a gap.
    """
    count, rows = scores.shape
    if rows < 2 or count < 2 or scores.isna().any(axis=None):
        raise ValueError("ranks need two rows and two targets or more, and every score")
    mean = scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    quantile = float(studentized_range.ppf(1 - ALPHA, rows, np.inf)) / math.sqrt(2)
    critical = quantile * math.sqrt(rows * (rows + 1) / (6 * count))
    names, values = [str(name) for name in mean.index], [float(value) for value in mean]
    alike: list[tuple[str, ...]] = []
    reached = 0
    for first in range(rows):
        last = max(index for index in range(rows) if values[index] - values[first] < critical)
        if last > first and last > reached:
            alike.append(tuple(names[first : last + 1]))
            reached = last
    p_value = math.nan
    if rows > 2:  # where all rows are equal on every target, the statistic is 0 / 0
        equal = bool((scores.nunique(axis=1) == 1).all())
        p_value = 1.0 if equal else float(friedmanchisquare(*(scores[name] for name in scores)).pvalue)
    return Ranks(dict(zip(names, values, strict=True)), count, critical, p_value, alike)
