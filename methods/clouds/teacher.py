"""The teacher: a moving average of the head, which labels what the generator makes."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from bench.api import Head, freeze, mismatches


class Teacher:
    """An exponential moving average of a head (alpha 0.999 every 100 iterations as published), always in eval mode.

    No module: it neither trains nor is part of the model that is scored.
    """

    def __init__(self, decay: float, every: int) -> None:
        self.decay, self.every = decay, every
        self.head: Head | None = None

    def follow(self, head: Head, step: int) -> None:
        """Before iteration `step` of the joint phase: a copy at the first, then an average every `every` iterations."""
        if step == 0 or self.head is None:
            self.head = freeze(copy.deepcopy(head))
        elif step % self.every == 0:
            with torch.no_grad():
                for mine, theirs in zip(self.head.parameters(), head.parameters(), strict=True):
                    mine.lerp_(theirs.detach(), 1 - self.decay)
                for own, other in zip(self.head.buffers(), head.buffers(), strict=True):
                    own.copy_(other)

    def state(self) -> dict[str, Tensor]:
        """Copies of its tensors; none before the joint phase."""
        held = {} if self.head is None else self.head.state_dict()
        return {name: tensor.detach().clone() for name, tensor in held.items()}

    def load(self, state: Mapping[str, Tensor], head: Head) -> None:
        """Go on with what `state` gave. Raises ValueError where it does not fit `head`."""
        if not state:
            return
        if problems := mismatches(head.state_dict(), state):
            raise ValueError("the teacher does not fit: " + "; ".join(problems))
        self.head = freeze(copy.deepcopy(head))
        self.head.load_state_dict(dict(state))
