"""How a track shows and scores images, in words: what a number depends on stands above every table."""

from __future__ import annotations

from bench.data import cards
from bench.spec import RunSpec, View


def describe(spec: RunSpec) -> str:
    """One line on a run's windows, sizes, label maps where a data set has several, and the iterate that is scored."""
    windows = spec.windows()
    parts = ["Whole images"]
    if windows is not None:
        parts = [f"Windows of {_size(windows[0])}, stride {_size(windows[1])}"]
    shown: dict[str, list[str]] = {}
    for target in spec.targets:
        if target.corruption is None:
            shown.setdefault(_view(target.view), []).append(target.name)
    parts += list(shown) if len(shown) == 1 else [f"{', '.join(names)} {text}" for text, names in shown.items()]
    trained = [target.name for target in spec.targets if target.trained_on]
    parts += [f"{', '.join(trained)} scored on images that are trained on"] if trained else []
    parts += [f"{target.name} labelled {how}" for target in spec.targets if (how := _map(target.dataset))]
    return "; ".join([*parts, f"the {spec.track.selection} iterate is scored"]) + "."


def _view(view: View) -> str:
    halved = "halved, then " if view.halve else ""
    native = "their halved ground truth" if view.halve else "the ground truth's size"
    if view.fit is not None:
        how = f"shown within {_size(view.fit)}"
    elif view.short_edge is not None:
        how = f"shown with a short edge of {view.short_edge}"
    else:
        how = "shown as they are"
    return f"{halved}{how}, scored at {native if view.scored == 'native' else 'that size'}"


def _map(dataset: str) -> str:
    """The label table's way of mapping, where its data set has more than one."""
    if dataset not in cards.names():
        return ""
    table = getattr(cards.load_card(dataset), "table", "")
    return table.partition("-")[2].replace("-", " ") if table.startswith("mapillary-") else ""


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
