"""Segmentation heads, by the name a protocol's head configuration gives."""

from __future__ import annotations

from dataclasses import dataclass

from bench.api import Head, UserError
from bench.models.heads.dense import LinearHead, SegformerHead
from bench.models.heads.mask2former import Mask2FormerHead
from bench.spec import HeadConfig


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

    @property
    def takes_queries(self) -> bool:
        """Whether the head has queries, which a method's adapter may give."""
        return self.config.name == "mask2former"

    def __call__(self, channels: tuple[int, int, int, int], linked: bool = False) -> Head:
        """A new head for maps of these channels; `linked` heads get their queries from the method's adapter."""
        if self.config.name == "mask2former":
            return Mask2FormerHead(channels, self.classes, self.config, linked)
        if linked:
            raise UserError(f"head {self.config.name} takes no queries")
        if self.config.name == "segformer":
            return SegformerHead(channels, self.classes, self.config.hidden)
        return LinearHead(channels, self.classes)
