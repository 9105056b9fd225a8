"""After results were added: bring README's table and pictures up to date, `python docs/refresh.py`.

Before it, `python -m bench report`. The picture of the page needs a Chromium and `pip install -e '.[test]'`; without
one it is said that it is left as it was.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from bench import cli

ROOT = Path(__file__).resolve().parent.parent
README, TABLE = ROOT / "README.md", ROOT / "results" / "leaderboard.csv"
PROTOCOL = "streets"
SCORES = {
    "source": "source",
    "unseen mean": "unseen_mean",
    "unseen worst": "unseen_worst",
    "weather mean": "weather_mean",
    "corruption mean": "corruption_mean",
    "lost to corruptions": "corruption_drop",
}
WEIGHTS = {"pretrained": "pre-trained", "random": "random"}


def table(board: Path = TABLE) -> str:
    """The rows of PROTOCOL in a leaderboard.csv, as README shows them."""
    with board.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["protocol"] == PROTOCOL]
    header = ["rank", "method", "backbone", "weights", "seeds", *SCORES, "trainable"]
    lines = [header, ["---:", "---", "---", "---", *["---:"] * (len(header) - 4)]]
    for row in rows:
        method = row["method"] + (f" ({row['variant']})" if row["variant"] else "")
        first = [row["rank"] + "=" * bool(row["ties"]), method, row["backbone"], WEIGHTS[row["weights"]], row["seeds"]]
        scores = [_score(row, name) + (" %" if name == "corruption_drop" else "") for name in SCORES.values()]
        lines.append([*first, *scores, f"{float(row['trainable_params_mean']) / 1e6:.2f} M"])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _score(row: dict[str, str], name: str) -> str:
    mean, std = row[f"{name}_mean"], row[f"{name}_std"]
    return "n/a" if not mean else f"{float(mean):.1f}" + (f" ± {float(std):.1f}" if std else "")


def with_table(text: str, made: str) -> str:
    """A README whose leaderboard is this table."""
    before, heading, after = text.partition("## Leaderboard\n")
    return before + heading + re.sub(r"(?m)^\|.*\n(?:\|.*\n)+", lambda _: made + "\n", after, count=1)


def main() -> int:
    text = README.read_text(encoding="utf-8")
    README.write_text(with_table(text, table()), encoding="utf-8")
    os.chdir(ROOT)
    for command in re.findall(r"^python -m bench (plot .*--out docs/images)$", text, flags=re.MULTILINE):
        if status := cli.main(shlex.split(command)):
            return status
    lacks = [] if os.environ.get("CHROME") or shutil.which("chromium") else ["chromium (CHROME names another)"]
    lacks += [] if importlib.util.find_spec("playwright") else ["playwright (pip install -e '.[test]')"]
    if lacks:
        print(f"docs/images/page.png is left as it was: there is no {' and no '.join(lacks)}", file=sys.stderr)
        return 1
    import page_picture

    page_picture.main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
