"""Pseudo-labels to look at: image, teacher, points and refined labels side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from bench.api import PrerequisiteError, colourise

_SMALLEST = 256  # small frames are enlarged to this height, so that points can be told apart


def side_by_side(image: Tensor, teacher: np.ndarray, points: np.ndarray, refined: np.ndarray) -> np.ndarray:
    """Four pictures in a row, (h, 4 w, 3) uint8: image, teacher's labels, points (K, P, 2) on the image, refined.

    `image` (3, H, W) in [0, 1], label maps (H, W) with 255 black. Points have their component's colour of the teacher.
    """
    factor = max(1, _SMALLEST // image.shape[-2])
    photo = (image.permute(1, 2, 0).float().cpu().numpy() * 255).round().astype(np.uint8)
    pictures = [
        cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        for picture in (photo, colourise(teacher), photo, colourise(refined))
    ]
    colours = colourise(teacher)
    for x, y in points.reshape(-1, 2):
        place = (int((x + 0.5) * factor), int((y + 0.5) * factor))
        cv2.circle(pictures[2], place, max(2, factor + 1), (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(pictures[2], place, max(1, factor), colours[y, x].tolist(), -1, cv2.LINE_AA)
    return np.concatenate(pictures, axis=1)


def save(picture: np.ndarray, path: Path) -> None:
    """Write one. Raises PrerequisiteError where nothing can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    except OSError as error:
        raise PrerequisiteError(f"cannot save {path}: {error.strerror or error}") from error
