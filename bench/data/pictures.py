"""What is inside a PNG or a JPEG file, read without decoding it: whether it is whole, and its pixel format.

Decoders cannot be asked: libjpeg fills what is missing with grey. OpenCV hands that out for a file that ends early
(`imread`) and for one whose end is zeros, as a broken download leaves it (`imdecode` too).
Sources: PNG (W3C, third edition), sections 5 and 11; JPEG (ITU-T T.81), annex B. Torch-free.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Final, NamedTuple

PNG_START: Final = b"\x89PNG\r\n\x1a\n"
JPEG_START: Final = b"\xff\xd8\xff"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types of a PNG."""
KINDS: Final = {GREY: "grey", RGB: "RGB", PALETTE: "palette", GREY_ALPHA: "grey with alpha", RGBA: "RGBA"}

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # in coded data: neither a stuffed FF 00, nor RST0..7, nor fill
_NO_LENGTH = {0x01, 0xD8}
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA


class Png(NamedTuple):
    """The parts of a whole PNG file that hold its pixels."""

    width: int
    height: int
    depth: int
    """Bits a channel; of a palette PNG, bits an index."""
    kind: int
    """Colour type: GREY, RGB, PALETTE, GREY_ALPHA or RGBA."""
    header: bytes
    """The 13 bytes of the IHDR chunk."""
    data: list[memoryview]
    """The IDAT chunks, complete with length, type and checksum."""

    def __str__(self) -> str:
        return f"{self.depth}-bit {KINDS[self.kind]}"

    def bare(self, kind: int | None = None) -> bytes:
        """The same pixels as a PNG file without palette, transparency, orientation or gamma.

        kind: another colour type to announce, with as many channels: GREY makes a palette's indices grey levels.
        """
        header = self.header if kind is None else self.header[:9] + bytes([kind]) + self.header[10:]
        return b"".join([PNG_START, _chunk(b"IHDR", header), *self.data, _chunk(b"IEND", b"")])


def parse_png(content: bytes) -> Png:
    """Walk the chunks of a PNG file. Raises ValueError saying what is wrong with one that is not whole.

    The header's checksum is held; those of the pixel data are left to the decoder, which computes them anyway.
    """
    place, data, header = len(PNG_START), list[memoryview](), b""
    view = memoryview(content)
    while place + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        if not name.isalpha():
            raise ValueError(f"no PNG chunk at byte {place}")
        end = place + 12 + length
        if end > len(content):
            break
        if name == b"IHDR":
            header = content[place + 8 : end - 4]
            if _chunk(name, header) != content[place:end]:
                raise ValueError("its PNG header is damaged")
        elif name == b"IDAT":
            data.append(view[place:end])
        elif name == b"IEND":
            return _png(header, data)
        place = end
    raise ValueError(f"cut off: its {len(content)} bytes end within a PNG picture")


def check_jpeg(content: bytes) -> None:
    """Walk the segments of a JPEG file to its end marker. Raises ValueError for one that ends before it.

    What follows the end marker is of no interest: cameras append all sorts of things. JPEG has no checksums: of what
    is wrong inside the coded data nothing can be known.
    """
    place, scanned = 2, False
    while True:
        found = _MARKER.search(content, place)  # from a segment's end: of the next one, or past coded data
        if found is None:
            raise ValueError(f"cut off: its {len(content)} bytes end within a JPEG picture")
        marker, place = content[found.start() + 1], found.end()
        if marker == _END_OF_IMAGE:
            break
        scanned |= marker == _START_OF_SCAN
        if marker not in _NO_LENGTH and place + 2 <= len(content):
            place += int.from_bytes(content[place : place + 2])
    if not scanned:
        raise ValueError("a JPEG file without a picture")


def _png(header: bytes, data: list[memoryview]) -> Png:
    if len(header) != 13 or not data:
        raise ValueError("a PNG file without a picture")
    width, height, depth, kind = struct.unpack_from(">IIBB", header)
    if kind not in KINDS:
        raise ValueError(f"unknown PNG colour type {kind}")
    return Png(width, height, depth, kind, header, data)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
