"""Segmentation heads, by the name a protocol's head configuration gives."""

from __future__ import annotations

from dataclasses import dataclass

from bench.api import Head
from bench.models.heads.mask2former import Mask2FormerHead
from bench.spec import HeadConfig

HEADS = {"mask2former": Mask2FormerHead}


@dataclass(frozen=True)
class ConfiguredHead:
    """Makes heads of one configuration: the `HeadFactory` that methods are given."""

    config: HeadConfig
    classes: int

    @property
    def hidden(self) -> int:
        """Width of the head's queries."""
        return self.config.hidden

    @property
    def num_queries(self) -> int:
        """Number of the head's queries."""
        return self.config.num_queries

    def __call__(self, channels: tuple[int, int, int, int], linked: bool = False) -> Head:
        """A new head for maps of these channels; `linked` heads get their queries from the method's adapter."""
        return HEADS[self.config.name](channels, self.classes, self.config, linked)
