"""Reading pictures and label files: what Pillow reads, and a reason for every file that is not as it should be."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bench.data.decoders import DECODERS, read_image
from bench.errors import DamagedFile

Array = npt.NDArray[np.generic]
HEIGHT, WIDTH = 48, 80


def ids(below: int = 34, dtype: type = np.uint8) -> Array:
    return np.random.default_rng(1).integers(0, below, (HEIGHT, WIDTH)).astype(dtype)


def picture(channels: int = 3) -> Array:
    smooth = cv2.GaussianBlur(np.random.default_rng(2).uniform(-2000, 2000, (HEIGHT, WIDTH, channels)), (0, 0), 5)
    return np.clip(128 + smooth, 0, 255).astype(np.uint8).reshape(HEIGHT, WIDTH, channels)


def encoded(array: Array, kind: str = "PNG", *, palette: bool = False, **options: object) -> bytes:
    """By Pillow: RGB order."""
    image = Image.fromarray(array)
    if palette:
        image.putpalette([(7 * i) % 256 for i in range(768)])
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sixteen_bit(array: Array) -> bytes:
    """OpenCV's writer: Pillow has none for three channels of 16 bits. Takes RGB."""
    return cv2.imencode(".png", array[..., ::-1] if array.ndim == 3 else array)[1].tobytes()


def synthia() -> Array:
    return np.stack([ids(23, np.uint16), 256 + ids(9000, np.uint16), 0 * ids(2, np.uint16)], axis=-1)


def red() -> Array:
    return np.stack([ids(), 100 + ids(), 200 + ids(50)], axis=-1).astype(np.uint8)


GOOD: dict[str, Callable[[], bytes]] = {
    "image": lambda: encoded(picture()),
    "grey": lambda: encoded(ids()),
    "palette": lambda: encoded(ids(), palette=True),
    "synthia": lambda: sixteen_bit(synthia()),
    "red": lambda: encoded(red()),
}
READERS: dict[str, Callable[[Path], Array]] = {"image": read_image, **DECODERS}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "a picture"
        path.write_bytes(content)
        return path

    return write


def refused(reader: str, path: Path) -> str:
    with pytest.raises(DamagedFile) as caught:
        READERS[reader](path)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    return caught.value.reason


# What is read


@pytest.mark.parametrize("options", [{}, {"palette": True}])
def test_grey_reads_levels_and_indices(file: Callable[[bytes], Path], options: dict[str, bool]) -> None:
    found = DECODERS["grey"](file(encoded(ids(256), **options)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids(256))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("reader", ["grey", "palette"])
def test_indices_of_a_palette_of_any_depth(file: Callable[[bytes], Path], bits: int, reader: str) -> None:
    content = encoded(ids(2**bits), palette=True, bits=bits)
    assert content[24:26] == bytes([bits, 3])
    np.testing.assert_array_equal(DECODERS[reader](file(content)), ids(2**bits))


def test_palettes_with_transparency_are_indices_too(file: Callable[[bytes], Path]) -> None:
    np.testing.assert_array_equal(DECODERS["palette"](file(encoded(ids(), palette=True, transparency=3))), ids())
    np.testing.assert_array_equal(DECODERS["grey"](file(encoded(ids(), transparency=3))), ids())


def test_synthia_reads_red_of_sixteen_bits(file: Callable[[bytes], Path]) -> None:
    path = file(GOOD["synthia"]())
    found = DECODERS["synthia"](path)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, synthia()[..., 0])
    np.testing.assert_array_equal(found, cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)[..., -1])


def test_red_reads_red_with_and_without_alpha(file: Callable[[bytes], Path]) -> None:
    np.testing.assert_array_equal(DECODERS["red"](file(encoded(red()))), red()[..., 0])
    with_alpha = np.concatenate([red(), picture(1)], axis=-1)
    np.testing.assert_array_equal(DECODERS["red"](file(encoded(with_alpha))), red()[..., 0])


def test_pictures_are_rgb(file: Callable[[bytes], Path]) -> None:
    np.testing.assert_array_equal(read_image(file(encoded(picture()))), picture())
    jpeg = read_image(file(encoded(picture(), "JPEG", quality=98, subsampling=0)))
    assert np.abs(jpeg.astype(int) - picture()).mean() < 2
    np.testing.assert_array_equal(read_image(file(encoded(ids()))), np.stack([ids()] * 3, axis=-1))
    alpha = np.concatenate([picture(), picture(1)], axis=-1)
    np.testing.assert_array_equal(read_image(file(encoded(alpha))), picture())
    coloured = file(encoded(ids(), palette=True))
    np.testing.assert_array_equal(read_image(coloured), np.asarray(Image.open(coloured).convert("RGB")))
    for content in (encoded(picture()), encoded(picture(), "JPEG", progressive=True)):
        theirs = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)  # mmsegmentation's reading
        np.testing.assert_array_equal(read_image(file(content)), theirs[..., ::-1])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_turns_pictures_as_mmsegmentation_does_and_never_labels(file: Callable[[bytes], Path], kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter to the right
    content = encoded(picture(), kind, exif=exif)
    found = read_image(file(content))
    np.testing.assert_array_equal(found, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
    if kind == "JPEG":  # in PNG files, OpenCV before 5 does not look
        assert found.shape == (WIDTH, HEIGHT, 3)
        assert np.abs(found.astype(int) - np.rot90(picture(), -1)).mean() < 8
    else:
        np.testing.assert_array_equal(DECODERS["grey"](file(encoded(ids(), exif=exif))), ids())


def test_what_follows_a_picture_is_of_no_interest(file: Callable[[bytes], Path]) -> None:
    for content in (encoded(picture()), encoded(picture(), "JPEG")):
        np.testing.assert_array_equal(read_image(file(content + b"\xff\xd8" * 9)), read_image(file(content)))


# What is refused


@pytest.mark.parametrize("reader", READERS)
def test_a_file_cut_off_anywhere_is_refused(file: Callable[[bytes], Path], reader: str) -> None:
    content = GOOD[reader]()
    READERS[reader](file(content))
    lengths = {9, 20, 33, *(len(content) * i // 17 for i in range(1, 17)), *range(len(content) - 20, len(content))}
    reasons = {refused(reader, file(content[:length])) for length in lengths if length > 8}
    assert all(reason.startswith("cut off: its ") for reason in reasons), reasons
    padded = content[: len(content) // 2] + bytes(len(content) - len(content) // 2)  # a download that never came
    assert re.fullmatch(r"its picture data is damaged|no PNG chunk at byte \d+", refused(reader, file(padded)))


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"exif": b"Exif\0\0\xff\xd9"}]
)
def test_a_jpeg_cut_off_anywhere_is_refused(file: Callable[[bytes], Path], options: dict[str, object]) -> None:
    content = encoded(picture(), "JPEG", quality=95, **options)
    assert read_image(file(content)).shape == (HEIGHT, WIDTH, 3)
    for length in {3, 4, 5, 20, *range(100, len(content), 41), *range(len(content) - 20, len(content))}:
        assert refused("image", file(content[:length])).startswith("cut off: its "), length
    half = content[: len(content) // 2] + bytes(9 * len(content))  # a broken download
    if "progressive" not in options and "restart_marker_rows" not in options:  # which OpenCV takes for whole
        assert cv2.imdecode(np.frombuffer(half, np.uint8), cv2.IMREAD_COLOR).shape == (HEIGHT, WIDTH, 3)
    assert refused("image", file(half)).startswith("cut off: its ")
    assert refused("image", file(content[:2] + b"\xff\xd9")) == "a JPEG file without a picture"


@pytest.mark.parametrize("reader", READERS)
def test_files_that_are_no_picture_are_refused(
    file: Callable[[bytes], Path], tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(reader, file(b"")) == "it is empty"
    assert refused(reader, file(b"<html>404</html>")).startswith(("neither a PNG nor a JPEG", "not a PNG picture"))
    assert refused(reader, tmp_path) == "a folder, not a file"
    assert refused(reader, tmp_path / "none.png") == "there is no such file"
    path = file(GOOD[reader]())

    def locked(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")  # by hand: tests may run as root

    monkeypatch.setattr(Path, "read_bytes", locked)
    assert refused(reader, path) == "no permission to read it"

    def broken(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", broken)
    assert refused(reader, path) == "Input/output error"


@pytest.mark.parametrize("reader", READERS)
def test_damaged_contents_are_refused(file: Callable[[bytes], Path], reader: str) -> None:
    content = GOOD[reader]()
    for place, reason in ((19, "its PNG header is damaged"), (-30, "its picture data is damaged")):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        assert refused(reader, file(bytes(damaged))) == reason
    assert refused(reader, file(content[:8] + content[-12:])) == "a PNG file without a picture"
    vast = struct.pack(">4sIIBBBBB", b"IHDR", 2**30, 2**30, *content[24:29])
    vast = content[:12] + vast + struct.pack(">I", zlib.crc32(vast)) + content[33:]
    assert "decoded" in refused(reader, file(vast)) or "damaged" in refused(reader, file(vast))


WRONG = [
    ("grey", encoded(red()), "wrong number of channels: labels have 1, this one is 8-bit RGB"),
    ("grey", encoded(picture(2)), "wrong number of channels: labels have 1, this one is 8-bit grey with alpha"),
    (
        "grey",
        sixteen_bit(ids(dtype=np.uint16)),
        "wrong bit depth: labels have 8 bits a channel, this one is 16-bit grey",
    ),
    ("grey", encoded(ids(2).astype(bool)), "wrong bit depth: labels have 8 bits a channel, this one is 1-bit grey"),
    ("palette", encoded(red()), "wrong palette: .* this one is 8-bit RGB and has none"),
    ("palette", encoded(ids()), "wrong palette: .* this one is 8-bit grey and has none"),
    ("synthia", encoded(red()), "wrong bit depth: labels have 16 bits a channel, this one is 8-bit RGB"),
    ("synthia", encoded(ids()), "wrong number of channels: SYNTHIA's labels have 3, this one is 8-bit grey"),
    ("red", sixteen_bit(synthia()), "wrong bit depth: labels have 8 bits a channel, this one is 16-bit RGB"),
    ("red", encoded(ids()), "wrong number of channels: labels have 3 or 4, this one is 8-bit grey"),
    ("red", encoded(ids(), palette=True), "wrong number of channels: .* 8-bit palette"),
    ("image", sixteen_bit(synthia()), "wrong bit depth: a picture has 8 bits a channel, this one is 16-bit RGB"),
    *((name, encoded(picture(), "JPEG"), "a JPEG picture: its compression changes ids") for name in DECODERS),
    *((name, encoded(picture(), "BMP"), "not a PNG picture, as labels are") for name in DECODERS),
    ("image", encoded(picture(), "BMP"), "neither a PNG nor a JPEG picture"),
]


@pytest.mark.parametrize(("reader", "content", "reason"), WRONG)
def test_another_kind_of_picture_is_refused(
    file: Callable[[bytes], Path], reader: str, content: bytes, reason: str
) -> None:
    with pytest.raises(DamagedFile, match=reason):
        READERS[reader](file(content))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_reading_lets_other_threads_run(tmp_path: Path, kind: str) -> None:
    """Another thread counts on while large files are decoded; were it locked out, it would do so between them only."""
    path = tmp_path / "large"
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3)).astype(np.uint8)
    path.write_bytes(encoded(noise, kind, compress_level=1))
    stop, ticks = threading.Event(), [0]

    def count() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    before = ticks[0]
    for _ in range(6):
        read_image(path)
    counted = ticks[0] - before
    stop.set()
    thread.join()
    assert counted > 250  # about 1,200; 70 where decoding holds the lock


def test_reading_needs_no_torch() -> None:
    code = "import sys, bench.data.decoders; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
