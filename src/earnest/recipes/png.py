"""A model's figure made anew: only its pixels are kept, in a PNG of our own making.

Read strictly, by the PNG specification (W3C, third edition): sizes, filters and the length of the
data must fit to the byte, so no decoder is left anything to guess. Names, comments, colour
profiles, whatever stands after the end, and every chunk that is not needed are left out. What is
interlaced is refused, though valid: nothing that draws figures for our tools makes it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_MARK: Final = b"\x89PNG\r\n\x1a\n"
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: samples a pixel
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MOST_PIXELS: Final = 16_000_000
_MOST_BYTES: Final = 8_000_000
_FILTERS: Final = 5


def remade(data: bytes) -> bytes | None:
    """Return a PNG with the same pixels and nothing else; None: it is none that we can read."""
    try:
        return _remade(data)
    except (ValueError, zlib.error, struct.error):
        return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks up to IEND. Raises `ValueError` where one is torn or its sum is wrong."""
    at = len(_MARK)
    while at + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", data[at + 8 + size : at + 12 + size])
        if len(body) != size or zlib.crc32(kind + body) != check:
            raise ValueError("a torn chunk")
        yield kind, body
        if kind == b"IEND":
            return
        at += 12 + size
    raise ValueError("it has no end")


def _remade(data: bytes) -> bytes:
    if not data.startswith(_MARK) or len(data) > _MOST_BYTES:
        raise ValueError("no PNG, or a large one")
    kept: dict[bytes, bytes] = {}
    packed = bytearray()
    for number, (kind, body) in enumerate(_chunks(data)):
        if (number == 0) != (kind == b"IHDR"):
            raise ValueError("it does not begin with its header, or has two")
        if kind == b"IDAT":
            packed += body
        elif kind in (b"IHDR", b"PLTE", b"tRNS"):
            if kind in kept or (packed and kind != b"IHDR"):
                raise ValueError("a chunk out of its place")
            kept[kind] = body
        elif not kind[0] & 0x20 and kind != b"IEND":
            raise ValueError("a critical chunk that we do not know")
    pixels = _pixels(kept, bytes(packed))
    parts = [_chunk(kind, kept[kind]) for kind in (b"IHDR", b"PLTE", b"tRNS") if kind in kept]
    return b"".join(
        [_MARK, *parts, _chunk(b"IDAT", zlib.compress(pixels, 9)), _chunk(b"IEND", b"")]
    )


def _pixels(kept: dict[bytes, bytes], packed: bytes) -> bytes:
    """Return the lines of pixels as they stand filtered, checked against the header."""
    width, height, depth, colour, *ways = struct.unpack(">IIBBBBB", kept[b"IHDR"])
    if ways != [0, 0, 0] or depth not in _DEPTHS.get(colour, ()):
        raise ValueError("a kind of PNG that is not read here")
    if not 0 < width * height <= _MOST_PIXELS:
        raise ValueError("no pixels, or too many")
    _check_colours(kept, depth, colour)
    line = (width * depth * _SAMPLES[colour] + 7) // 8 + 1
    opened = zlib.decompressobj()
    pixels = opened.decompress(packed, line * height + 1)
    if len(pixels) != line * height or not opened.eof or opened.unused_data:
        raise ValueError("not as many pixels as its header says")
    if any(pixels[at] >= _FILTERS for at in range(0, len(pixels), line)):
        raise ValueError("a filter that is none")
    return pixels


def _check_colours(kept: dict[bytes, bytes], depth: int, colour: int) -> None:
    palette, clear = kept.get(b"PLTE"), kept.get(b"tRNS")
    if (colour == 3) != (palette is not None):
        kept.pop(b"PLTE", None)  # only suggested colours, where pixels have their own
        if colour == 3:
            raise ValueError("it has no palette")
    if palette is not None and not 0 < len(palette) <= 3 << depth:
        raise ValueError("not a palette")
    if palette is not None and len(palette) % 3:
        raise ValueError("half a colour")
    if clear is not None:
        most = {0: 2, 2: 6, 3: len(palette or b"") // 3}.get(colour, 0)
        if len(clear) > most or (colour != 3 and len(clear) != most):
            raise ValueError("not a transparency")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
