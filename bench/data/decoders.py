"""Reading pictures and label files. Torch-free; all of it releases the GIL while it reads and decodes.

A file that cannot be read for any reason, a missing one included, is a DamagedFile that says why: what a reader meets
in the middle of a run is one kind of error, and one line. Nothing is ever read in part.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.pictures import (
    GREY,
    JPEG_START,
    PALETTE,
    PNG_START,
    RGB,
    RGBA,
    Png,
    check_jpeg,
    parse_png,
)
from bench.errors import DamagedFile

Ids = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_UNKNOWN = 254  # no train id, and not the void label: marks ids that a map does not have
_NAMED = 5


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """A PNG or JPEG picture as (H, W, 3) uint8 RGB.

    As mmsegmentation's LoadImageFromFile has it (`cv2.imdecode`, IMREAD_COLOR): turned upright where its EXIF says so,
    grey repeated in three channels, alpha dropped, palettes looked up. Labels are never turned, there as here: of a
    picture with an EXIF orientation they must have been drawn upright. Raises DamagedFile; 16-bit pictures are
    refused, for how to bring them to 8 bits is a choice.
    """
    content = _read(path)
    try:
        if content.startswith(PNG_START):
            png = parse_png(content)
            if png.depth > 8:
                raise ValueError(f"wrong bit depth: a picture has 8 bits a channel, this one is {png}")
        elif content.startswith(JPEG_START):
            check_jpeg(content)
        else:
            raise ValueError("neither a PNG nor a JPEG picture")
    except ValueError as error:
        raise DamagedFile(path, str(error)) from error
    return np.asarray(_decode(path, content, cv2.IMREAD_COLOR_RGB), np.uint8)


def read_grey(path: Path) -> npt.NDArray[np.uint8]:
    """Ids of a PNG with one channel of 8 bits, or the indices of a palette PNG: (H, W). Raises DamagedFile."""
    png = _read_png(path)
    if png.kind == PALETTE:
        return _indices(path, png)
    if png.kind != GREY:
        raise DamagedFile(path, f"wrong number of channels: labels have 1, this one is {png}")
    _require(path, png, depth=8)
    return np.asarray(_decode(path, png.bare(), cv2.IMREAD_UNCHANGED), np.uint8)


def read_palette(path: Path) -> npt.NDArray[np.uint8]:
    """Indices (H, W) of a palette PNG. Raises DamagedFile, for a grey or RGB one as well."""
    png = _read_png(path)
    if png.kind != PALETTE:
        raise DamagedFile(path, f"wrong palette: labels are the indices of a palette, this one is {png} and has none")
    return _indices(path, png)


def read_synthia(path: Path) -> npt.NDArray[np.uint16]:
    """Class ids (H, W) of SYNTHIA's labels: the red channel (OpenCV's last) of an RGB PNG of 16 bits.

    The others hold instance ids. Raises DamagedFile.
    """
    png = _read_png(path)
    if png.kind != RGB:
        raise DamagedFile(path, f"wrong number of channels: SYNTHIA's labels have 3, this one is {png}")
    _require(path, png, depth=16)
    return np.ascontiguousarray(_decode(path, png.bare(), cv2.IMREAD_UNCHANGED)[..., 2], np.uint16)


def read_red(path: Path) -> npt.NDArray[np.uint8]:
    """Ids (H, W) in the red channel of an RGB or RGBA PNG of 8 bits. Raises DamagedFile."""
    png = _read_png(path)
    if png.kind not in (RGB, RGBA):
        raise DamagedFile(path, f"wrong number of channels: labels have 3 or 4, this one is {png}")
    _require(path, png, depth=8)
    return np.ascontiguousarray(_decode(path, png.bare(), cv2.IMREAD_UNCHANGED)[..., 2], np.uint8)


DECODERS: Final[dict[str, Callable[[Path], Ids]]] = {
    "grey": read_grey,
    "palette": read_palette,
    "synthia": read_synthia,
    "red": read_red,
}
"""How label files are read, by the name that dataset cards use: path -> ids (H, W), uint8 or uint16."""


def translate(ids: Ids, lut: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Ids (H, W) of a label file to train ids (H, W), 255 where void.

    lut: by id, up to 65536 of them: its train id, 255 for void, -1 for ids that the data set does not have, as every
    id beyond the table. Raises ValueError naming up to 5 ids of that kind, where there is one, and for another table.
    """
    if ((lut < -1) | (lut == _UNKNOWN) | (lut > 255)).any():
        raise ValueError("a table of train ids holds 0 to 253, 255 and -1 only")
    table = np.full(max(len(lut) + 1, 256), _UNKNOWN, np.uint8)
    table[: len(lut)] = np.where(lut < 0, _UNKNOWN, lut)
    if ids.dtype == np.uint8:
        labels = np.asarray(cv2.LUT(ids, table[:256]), np.uint8).reshape(ids.shape)
    elif ids.dtype != np.uint16:
        raise ValueError(f"ids of label files are uint8 or uint16, not {ids.dtype}")
    else:
        labels = np.take(table, ids, mode="clip")  # the last entry stands for all that are beyond the table
    if (strange := labels == _UNKNOWN).any():
        found = np.unique(ids[strange]).tolist()
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise ValueError(f"label ids that the map does not have: {', '.join(map(str, found[:_NAMED]))}{more}")
    return labels


def _indices(path: Path, png: Png) -> npt.NDArray[np.uint8]:
    """OpenCV turns palettes into colours; the same file announced as grey gives the indices, with no loss of speed.

    Grey levels of fewer than 8 bits come out spread over 0..255.
    """
    levels = np.asarray(_decode(path, png.bare(GREY), cv2.IMREAD_UNCHANGED), np.uint8)
    return levels if png.depth == 8 else levels // np.uint8(255 // (2**png.depth - 1))


def _require(path: Path, png: Png, depth: int) -> None:
    if png.depth != depth:
        raise DamagedFile(path, f"wrong bit depth: labels have {depth} bits a channel, this one is {png}")


def _read_png(path: Path) -> Png:
    content = _read(path)
    if content.startswith(JPEG_START):
        raise DamagedFile(path, "a JPEG picture: its compression changes ids, so labels are PNG files")
    if not content.startswith(PNG_START):
        raise DamagedFile(path, "not a PNG picture, as labels are")
    try:
        return parse_png(content)
    except ValueError as error:
        raise DamagedFile(path, str(error)) from error


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DamagedFile(path, "there is no such file") from error
    except PermissionError as error:
        raise DamagedFile(path, "no permission to read it") from error
    except IsADirectoryError as error:
        raise DamagedFile(path, "a folder, not a file") from error
    except OSError as error:
        raise DamagedFile(path, error.strerror or "it cannot be read") from error
    if not content:
        raise DamagedFile(path, "it is empty")
    return content


def _decode(path: Path, content: bytes, flags: int) -> npt.NDArray[np.generic]:
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise DamagedFile(path, f"it cannot be decoded ({error.err})") from error
    if picture is None:
        raise DamagedFile(path, "its picture data is damaged")
    return picture
