import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.recipes.png import remade

MARK = b"\x89PNG\r\n\x1a\n"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width=3, height=2, depth=8, colour=2, way=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, way))


LINES = bytes([0, *range(9), 1, *range(9)])
END = chunk(b"IEND", b"")
GOOD = MARK + header() + chunk(b"IDAT", zlib.compress(LINES)) + END


def read(data):
    """The kinds of chunks, and the lines of pixels."""
    kinds, packed, at = [], b"", 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        kinds.append(kind)
        packed += data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return kinds, zlib.decompress(packed)


def test_the_pixels_stay_and_nothing_else_does():
    hidden = b"<script>alert(1)</script>"
    parts = [MARK, header(), chunk(b"tEXt", b"Comment\0" + hidden), chunk(b"iCCP", hidden)]
    packed = zlib.compress(LINES)
    parts += [chunk(b"IDAT", packed[:5]), chunk(b"IDAT", packed[5:]), chunk(b"eXIf", hidden), END]
    made = remade(b"".join(parts) + hidden)
    assert hidden not in made
    assert read(made) == ([b"IHDR", b"IDAT", b"IEND"], LINES)
    assert remade(made) == made


BROKEN = {
    "no PNG": b"<svg onload=alert(1)>",
    "empty": b"",
    "torn": GOOD[:-20],
    "no end": GOOD[: -len(END)],
    "a wrong sum": GOOD[:30] + b"\0" + GOOD[31:],
    "no header": MARK + chunk(b"IDAT", zlib.compress(LINES)) + END,
    "two headers": MARK + header() + header() + chunk(b"IDAT", zlib.compress(LINES)) + END,
    "too few pixels": MARK + header(height=3) + chunk(b"IDAT", zlib.compress(LINES)) + END,
    "too many pixels": MARK + header(height=1) + chunk(b"IDAT", zlib.compress(LINES)) + END,
    "a bomb": MARK + header(60_000, 60_000) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + END,
    "a filter that is none": MARK + header() + chunk(b"IDAT", zlib.compress(b"\x09" * 20)) + END,
    "interlaced": MARK + header(way=1) + chunk(b"IDAT", zlib.compress(LINES)) + END,
    "an unknown critical chunk": MARK + header() + chunk(b"EVIL", b"")
    + chunk(b"IDAT", zlib.compress(LINES)) + END,
    "no palette": MARK + header(colour=3) + chunk(b"IDAT", zlib.compress(bytes(8))) + END,
    "no data": MARK + header() + END,
    "not deflated": MARK + header() + chunk(b"IDAT", LINES) + END,
    "more after the data": MARK + header() + chunk(b"IDAT", zlib.compress(LINES) + b"x") + END,
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_fit_is_refused(what):
    assert remade(BROKEN[what]) is None


def test_a_good_one_passes():
    assert remade(GOOD) is not None


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_byte_changed_is_refused_or_changes_nothing_that_is_kept(at, value):
    changed = GOOD[:at] + bytes([value]) + GOOD[at + 1 :]
    assert remade(changed) in (None, remade(GOOD))


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data):
    assert remade(data) is None
    remade(MARK + data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1"])
def test_a_reader_of_others_sees_the_same_picture(mode):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    drawn = image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 40).convert(mode)
    out = io.BytesIO()
    drawn.save(out, "PNG")
    made = image.open(io.BytesIO(remade(out.getvalue())))
    assert made.convert("RGBA").tobytes() == drawn.convert("RGBA").tobytes()
