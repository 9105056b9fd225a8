"""Which corruptions a protocol scores: the table ``[corruptions]`` of its file, or ``--corruptions`` in its place."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from bench.errors import UnknownName, UserError
from bench.spec import Frozen, Positive, Target

# Michaelis et al. 2019 (arXiv 1907.07484), as Cityscapes-C is used: four groups of four.
GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "gaussian_blur"),
    "weather": ("snow", "spatter", "fog", "frost"),
    "digital": ("brightness", "contrast", "saturate", "jpeg_compression"),
}
COMMON = tuple(name for group in GROUPS.values() for name in group)
OTHERS = ("zoom_blur", "elastic_transform", "pixelate")
VERSION = "1"
"""Part of the identity of a run with corruptions: any change to a corrupted pixel needs a new one."""
ICE = "ice"
"""This suite's own stand-in for frost, which needs no photographs: in no mean of the sixteen."""
KNOWN = (*COMMON, *OTHERS, ICE)
SEVERITIES = (1, 2, 3, 4, 5)
HELP = "common, all, L5, or names with severities, as fog:3,glass_blur:1-5"


class Corrupted(NamedTuple):
    """A corruption at one strength."""

    name: str
    severity: int


class Corruptions(Frozen):
    """The compact table ``[corruptions]``: targets on one data set, one for each type (and severity, if several)."""

    dataset: str
    types: Literal["common", "all"] | tuple[str, ...] = "common"
    severity: Annotated[int, Field(ge=1, le=5)] | tuple[Annotated[int, Field(ge=1, le=5)], ...] = 3
    images: Positive | None = None

    def targets(self) -> tuple[Target, ...]:
        """Targets named after their type, and after the severity too where there are several."""
        several = isinstance(self.severity, tuple)
        severities = self.severity if isinstance(self.severity, tuple) else (self.severity,)
        types = {"common": COMMON, "all": (*COMMON, *OTHERS)}.get(str(self.types), self.types)
        pairs = [Corrupted(name, severity) for name in types for severity in severities]
        return corrupted(pairs, self.dataset, self.images, numbered=several)


def corrupted(
    pairs: list[Corrupted], dataset: str, images: int | None = None, *, numbered: bool = True
) -> tuple[Target, ...]:
    """One target for each corruption of a data set: `fog-3`, or only `fog` unless `numbered`."""
    return tuple(
        Target(
            name=f"{name}-{severity}" if numbered else name,
            dataset=dataset,
            group="corruption",
            images=images,
            corruption=name,
            severity=severity,
        )
        for name, severity in pairs
    )


def parse(text: str) -> list[Corrupted]:
    """What ``--corruptions`` names. Raises UnknownName and UserError.

    A list of ``common`` (the 16 of Cityscapes-C at severities 1 to 5), ``all`` (all 19), ``L5`` (the 16 at severity 5),
    NAME (at 1 to 5), NAME:SEVERITY and NAME:FROM-TO.
    """
    known = {"common": (COMMON, SEVERITIES), "all": ((*COMMON, *OTHERS), SEVERITIES), "L5": (COMMON, (5,))}
    found: list[Corrupted] = []
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, range_ = piece.partition(":")
        if piece in known:
            names, severities = known[piece]
            found += [Corrupted(name, severity) for name in names for severity in severities]
            continue
        if name not in KNOWN:
            raise UnknownName("corruption", name, [*KNOWN, *known])
        found += [Corrupted(name, severity) for severity in _severities(range_, piece)]
    if not found:
        raise UserError(f"--corruptions {text!r} names none: write {HELP}")
    return list(dict.fromkeys(found))


def _severities(text: str, piece: str) -> range:
    match = re.fullmatch("([1-5])(?:-([1-5]))?", text or "1-5")
    if match is None or (match[2] or match[1]) < match[1]:
        raise UserError(f"--corruptions {piece!r}: severities are 1 to 5, as in {HELP}")
    return range(int(match[1]), int(match[2] or match[1]) + 1)
