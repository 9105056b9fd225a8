"""What holds of every pre-training of the embedded models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def goes_on_as_if_it_had_not_stopped(make: Callable[[Path], Any], folder: Path) -> None:
    """One step, a checkpoint, one more step; the same from the checkpoint in a second trainer."""
    whole = make(folder)
    whole.one_step()
    whole.save()
    whole.one_step()
    resumed = make(folder)
    resumed.load()
    torch.manual_seed(99)  # nothing may come from the global generator
    assert (resumed.step, resumed.seconds) == (1, whole.seconds)
    resumed.one_step()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    elsewhere = make(folder / "empty")
    elsewhere.load()
    assert elsewhere.step == 0
