"""Tables for papers: LaTeX with the rules of booktabs, each as wide as a page of two columns at most. Torch-free."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from bench.report.cells import MISSING
from bench.report.layout import BREAKS, SEPARATION, PaperTable, Part, parts, stacked

HEAD = r"""% Made by `python -m bench report`. The preamble needs \usepackage{array,booktabs,graphicx}.
% Each table is a table* for a page of two columns (at most 500 pt wide in \footnotesize of a 10 pt document).
"""
LATIN = "\u024f"
"""The last letter that pdflatex sets by itself."""
_SPECIAL = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"${character}$" for character in "<>|"},
        "[": "{[}",  # which would be an option of the row's end above
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "↓": r"$\downarrow$",
        "†": r"$^\dagger$",
        "‡": r"$^\ddagger$",
        "—": "---",
        "–": "--",
    }
)


def latex(tables: Sequence[PaperTable]) -> str:
    """The text of all tables, and what it needs in the preamble."""
    found = []
    for table in tables:
        pieces = parts(table)
        found += [_set(part, number, len(pieces)) for number, part in enumerate(pieces, start=1)]
    text = "".join(f"\n{text}" for text in found)
    rare = "".join(sorted({letter for letter in text if letter > LATIN}))
    return HEAD + (f"% pdflatex does not know {rare}: use lualatex, and a font that has them.\n" if rare else "") + text


def escape(text: str) -> str:
    """Text as LaTeX sets it."""
    return text.translate(_SPECIAL)


def _set(part: Part, number: int, of: int) -> str:
    table = part.table
    more = f" (Part {number} of {of}.)" if of > 1 else ""
    again = f"-{number}" if number > 1 else ""
    form = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{part.widths[column]:.0f}pt}}"
        if column in part.broken
        else table.align[column]
        for column in part.columns
    )
    lines = [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(table.caption + more)}}}",
        rf"\label{{tab:{table.label}{again}}}",
        r"\smallskip",
        r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{SEPARATION / 2:g}pt}}",
        rf"\begin{{tabular}}{{@{{}}{form}@{{}}}}",
        r"\toprule",
        " & ".join(_heading(part, column) for column in part.columns) + r" \\",
        r"\midrule",
    ]
    for above, row in zip([None, *part.rows], part.rows, strict=False):
        if table.rule is not None and above is not None and above < table.rule <= row:
            lines.append(r"\midrule")
        lines.append(_row(part, row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}"]) + "\n"


def _heading(part: Part, column: int) -> str:
    title = part.table.header[column]
    if part.table.rotated and column >= part.table.keys:
        return rf"\rotatebox{{90}}{{{escape(title)}}}"
    lines = list(map(escape, stacked(title, part.widths[column])))
    text = r"\\".join(lines)
    return rf"\shortstack[{part.table.align[column]}]{{{text}}}" if len(lines) > 1 else text


def _row(part: Part, row: int) -> str:
    cells = []
    for missing, some in itertools.groupby(part.columns, key=lambda column: part.table.rows[row][column] == MISSING):
        columns = list(some)
        if missing and len(columns) > 1:
            cells.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{MISSING}}}")
        else:
            cells += [_cell(part, row, column) for column in columns]
    return " & ".join(cells) + r" \\"


def _cell(part: Part, row: int, column: int) -> str:
    text = escape(part.table.rows[row][column])
    if column in part.broken:
        text = r"\allowbreak{}".join(map(escape, BREAKS.split(part.table.rows[row][column])))
        return re.sub(r"(?<=[ -])\\allowbreak\{\}", "", text)  # TeX breaks there by itself
    mean, plus, deviation = text.partition(r" $\pm$ ")
    if (row, column) in part.table.bold:
        mean = rf"\textbf{{{mean}}}"
    return mean + (rf"{{\scriptsize$\pm${deviation}}}" if plus else "")


def slug(*words: str) -> str:
    """What a label is made of."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words)
