"""The ten corruptions of floats, and ice, against a picture of what they gave when it was made.

Their bytes are not pinned by a hash (as those of noise and blur are in test_corruptions.py): OpenCV and the compiled
loops round floats otherwise where a CPU fuses a multiplication with the sum after it, or sums in wider registers, and a
value next to a whole number is then cut to the one below it. So each severity may be one grey level off, and 1 value of
1,000 more, for a drop or an outline that is decided the other way; a changed seed, strength or formula moves far more.
(Made on x86-64, where OpenCV without AVX and FMA, and loops compiled for a generic CPU, gave not one byte otherwise.)

`python tests/test_corruption_golden.py` paints the picture again, a column a corruption in the order of PINNED, a row a
severity. Other pixels are another benchmark: `bench.protocols.corruptions.VERSION` then has to change, too.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.data.corruptions import NAMES, corrupt, require_corruption
from bench.errors import PrerequisiteError

GOLDEN = Path(__file__).parent / "golden" / "corruptions.png"
HEIGHT, WIDTH = 48, 64
PINNED = (
    *("snow", "spatter", "fog", "frost", "brightness", "contrast", "saturate", "jpeg_compression"),
    *("elastic_transform", "pixelate", "ice"),
)
SEVERITIES = range(1, 6)
SEED = "golden"
DRAWN = ("snow", "spatter", "fog", "frost", "elastic_transform", "ice")
"""Those with chance; frost draws a place in a photograph, so that another seed shows in it, too."""


def scene() -> np.ndarray:
    """A street of whole numbers, the same on every platform: sky, road, two houses, a grey kerb, black and white."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack((90 + 2 * rows, 120 + rows + columns // 2, 230 - 2 * rows), axis=-1)
    image[30:] = np.stack((70 + columns, 72 + columns, 60 + columns + rows // 2), axis=-1)[30:]
    image[8:34, 4:22] = (170, 90, 50)
    image[12:30:6, 7:20:5] = (250, 240, 120)
    image[14:34, 40:58] = (60, 110, 70)
    image[34:36] = 128
    image[38:46, 10:16], image[38:46, 24:30] = 0, 255
    return image.astype(np.uint8)


def painted(name: str, severity: int, seed: int | str = SEED) -> np.ndarray:
    """The scene corrupted; skips the test where frost's photographs are not installed."""
    try:
        require_corruption(name)
    except PrerequisiteError as missing:
        pytest.skip(str(missing))
    return corrupt(scene(), name, severity, seed)


@cache
def golden() -> np.ndarray:
    """(severities, HEIGHT, corruptions, WIDTH, 3) RGB."""
    sheet = cv2.imread(str(GOLDEN))
    return sheet[..., ::-1].reshape(len(SEVERITIES), HEIGHT, len(PINNED), WIDTH, 3)


def agrees(found: np.ndarray, name: str, severity: int) -> bool:
    expected = golden()[severity - 1, :, PINNED.index(name)].astype(int)
    return float((abs(found - expected) <= 1).mean()) >= 0.999


@pytest.mark.parametrize("name", PINNED)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_pixels_are_those_of_the_picture(name: str, severity: int) -> None:
    assert agrees(painted(name, severity), name, severity)


@pytest.mark.parametrize("name", PINNED)
def test_another_severity_or_seed_or_formula_is_noticed(name: str) -> None:
    for severity in SEVERITIES:
        others = [other for other in SEVERITIES if other != severity]
        assert not any(agrees(painted(name, other), name, severity) for other in others), severity
        fine = painted(name, severity)
        darker = np.where(fine > 100, fine - 2, fine)
        assert not agrees(darker, name, severity), "two levels off in what is bright"
        if name in DRAWN:
            assert not any(agrees(painted(name, severity, seed), name, severity) for seed in ("golden2", 0)), severity


@pytest.mark.parametrize("name", [*NAMES, "ice"])
def test_same_bytes_again_and_in_threads(name: str) -> None:
    def digest(severity: int) -> str:
        return hashlib.sha256(corrupt(scene(), name, severity, SEED).tobytes()).hexdigest()

    painted(name, 1)
    first = [digest(severity) for severity in SEVERITIES]
    assert len(set(first)) == len(first)
    assert [digest(severity) for severity in SEVERITIES] == first
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(digest, [*SEVERITIES] * 3)) == first * 3


def paint() -> None:
    """Write the picture."""
    rows = [np.concatenate([corrupt(scene(), name, s, SEED) for name in PINNED], axis=1) for s in SEVERITIES]
    cv2.imwrite(str(GOLDEN), np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    paint()
