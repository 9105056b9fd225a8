"""torch.compile, as a run and its cost have it."""

from __future__ import annotations

import os
import shutil
import sys

import torch

from bench.errors import PrerequisiteError
from bench.segmenter import Segmenter


def compile_backbone(segmenter: Segmenter, device: torch.device) -> None:
    """Compile the backbone in place, at its first call; head and adapter stay as they are.

    Raises PrerequisiteError on a CPU without the C++ compiler that torch would call.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise PrerequisiteError(
            f"to compile on a CPU, torch calls {compiler}, which is not here: install it, name another in the "
            "variable CXX, or leave out --compile"
        )
    # Sizes are few and fixed; symbolic ones made inductor fail on ConvNeXt's stages.
    segmenter.backbone.compile(dynamic=False)
