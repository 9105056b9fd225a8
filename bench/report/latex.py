"""Tables for papers: LaTeX with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "—": "---",
    "–": "--",
}


class Table(NamedTuple):
    """What any format shows of one table."""

    title: str
    header: list[str]
    align: str
    """`l` or `r` for each column."""
    rows: list[list[str]]
    note: str = ""


def latex(tables: Sequence[Table]) -> str:
    """One `table` each; `\\usepackage{booktabs}` is all that is needed."""
    return "% Made by `python -m bench report`; needs \\usepackage{booktabs}.\n" + "\n".join(map(_one, tables))


def _one(table: Table) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(' '.join(filter(None, (table.title, table.note))))}}}",
        rf"\begin{{tabular}}{{{table.align}}}",
        r"\toprule",
        _line(table.header),
        r"\midrule",
        *map(_line, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(escape, cells)) + r" \\"


def escape(text: str) -> str:
    """Text as LaTeX sets it."""
    return "".join(_SPECIAL.get(character, character) for character in text)
