"""Figures that a session left: read strictly and written anew, so that they are pixels alone.

A PNG is taken apart and put together here: only the chunks that make its pixels are kept, each
checked, the pixels unpacked within bounds and packed again. No text, no metadata, nothing after its
end, and no decoder but zlib sees a byte of what the session wrote. A JPEG is made into a PNG in a
jail first, by the image's own library, and that PNG then goes the same way. An SVG can hold scripts
and is not shown.

Source: PNG, third edition (W3C, 2025). Not covered: interlaced PNGs; more than 8 bits a channel
are kept as they are; whether the picture shows what it claims to.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from earnest.core.errors import SandboxError, ToolError
from earnest.core.jobs import Job, Limits
from earnest.core.messages import Picture
from earnest.core.protocols import Blobs, Sandbox

MOST_PICTURES: Final = 8
MOST_BYTES: Final = 8 * 2**20
MOST_PIXELS: Final = 16_000_000
_LONGEST_SIDE: Final = 8_192
_MOST_RAW: Final = 64 * 2**20
_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_JPEG: Final = (".jpg", ".jpeg")
_LIMITS: Final = Limits(wall_s=20, cpu_s=20, memory_mib=1024, workspace_mib=64)
_CONVERT: Final = f"""\
from PIL import Image
with Image.open("in.jpg", formats=["JPEG"]) as picture:
    if picture.width * picture.height > {MOST_PIXELS}:
        raise SystemExit("too many pixels")
    picture.convert("RGB").save("out.png")
"""


class NoPictureError(ToolError):
    """Bytes that are no picture that can be shown; the message says why."""


def _chunks(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG, each checked, until its end. Raises `NoPictureError`."""
    if not data.startswith(_MAGIC):
        raise NoPictureError("it is no PNG")
    at = len(_MAGIC)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if len(body) < size or at + 12 + size > len(data):
            break
        (told,) = struct.unpack_from(">I", data, at + 8 + size)
        if zlib.crc32(kind + body) != told:
            raise NoPictureError("a chunk of it is damaged")
        yield kind, body
        if kind == b"IEND":
            return
        at += 12 + size
    raise NoPictureError("it is cut short")


def _header(body: bytes) -> tuple[int, int]:
    """Return the bytes of a row of pixels, and how many rows there are."""
    if len(body) != 13:
        raise NoPictureError("its header is wrong")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack(">IIBBBBB", body)
    if depth not in _DEPTHS.get(colour, ()) or packing or filters:
        raise NoPictureError("its header is wrong")
    if interlaced:
        raise NoPictureError("it is interlaced: save it without")
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        raise NoPictureError(f"its sides may be at most {_LONGEST_SIDE} pixels")
    if width * height > MOST_PIXELS:
        raise NoPictureError(f"it may have at most {MOST_PIXELS} pixels")
    row = (width * depth * _CHANNELS[colour] + 7) // 8
    if (row + 1) * height > _MOST_RAW:
        raise NoPictureError(f"its pixels take more than {_MOST_RAW} bytes")
    return row, height


def _pixels(packed: bytes, row: int, rows: int) -> bytes:
    """Unpack pixels, exactly as many as there must be, and pack them again."""
    size = (row + 1) * rows
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, size + 1)
        whole = not unpacker.decompress(unpacker.unconsumed_tail, 1) and unpacker.eof
    except zlib.error as error:
        raise NoPictureError("its pixels can't be unpacked") from error
    if len(raw) != size or not whole or max(raw[:: row + 1]) > 4:
        raise NoPictureError("its pixels are not as many as it says")
    return zlib.compress(raw, 6)


def _written(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(data: bytes) -> bytes:
    """Return a PNG's pixels as a PNG of our own making. Raises `NoPictureError`."""
    if len(data) > MOST_BYTES:
        raise NoPictureError(f"it has more than {MOST_BYTES} bytes")
    head, colours, clear, packed = b"", b"", b"", []
    for number, (kind, body) in enumerate(_chunks(data)):
        if (number == 0) != (kind == b"IHDR"):
            raise NoPictureError("its header is not at its start")
        if kind == b"IHDR":
            head = body
        elif kind == b"PLTE" and len(body) <= 768 and len(body) % 3 == 0:
            colours = body
        elif kind == b"tRNS" and len(body) <= 256:
            clear = body
        elif kind == b"IDAT":
            packed.append(body)
    row, rows = _header(head)
    if head[9] == 3 and not colours:
        raise NoPictureError("it has no colours")
    parts = [(b"IHDR", head), (b"PLTE", colours if head[9] == 3 else b""), (b"tRNS", clear)]
    parts.append((b"IDAT", _pixels(b"".join(packed), row, rows)))
    kept = b"".join(_written(kind, body) for kind, body in parts if body)
    return _MAGIC + kept + _written(b"IEND", b"")


def _from_jpeg(data: bytes, sandbox: Sandbox) -> bytes:
    """Return a JPEG as a PNG, made in a jail. Raises `NoPictureError`, `BudgetError`."""
    if not sandbox.isolates or len(data) > MOST_BYTES:
        raise NoPictureError("save it as PNG")
    files = {"in.jpg": data, "main.py": _CONVERT.encode()}
    try:
        result = sandbox.run(Job(entry=("python", "main.py"), files=files, limits=_LIMITS))
    except SandboxError as error:
        raise NoPictureError("it could not be converted: save it as PNG") from error
    if not result.ok or "out.png" not in result.files:
        raise NoPictureError("it could not be converted: save it as PNG")
    return result.files["out.png"]


def is_picture(name: str) -> bool:
    """Say by its name whether a file is a figure, shown or not."""
    return name.lower().endswith((".png", ".svg", *_JPEG))


def picture(name: str, data: bytes, blobs: Blobs, sandbox: Sandbox) -> Picture:
    """Return a figure as models are shown it, kept in the blobs. Raises `NoPictureError`."""
    low = name.lower()
    if low.endswith(".svg"):
        raise NoPictureError("an SVG is kept, but not shown: save it as PNG")
    if low.endswith(_JPEG):
        data = _from_jpeg(data, sandbox)
    return Picture(name=name, media="image/png", blob=blobs.put(png(data)))


def pictures(
    before: Mapping[str, bytes], after: Mapping[str, bytes], blobs: Blobs, sandbox: Sandbox
) -> tuple[tuple[Picture, ...], list[str]]:
    """Return the figures among new or changed files, and why others are not shown."""
    found: list[Picture] = []
    notes: list[str] = []
    names = [n for n in sorted(after) if is_picture(n) and before.get(n) != after[n]]
    for name in names[:MOST_PICTURES]:
        try:
            made = picture(name, after[name], blobs, sandbox)
            if made.blob not in (one.blob for one in found):
                found.append(made)
        except ToolError as error:
            notes.append(f"{name} is not shown: {error}")
    if len(names) > MOST_PICTURES:
        notes.append(f"{len(names) - MOST_PICTURES} more figures are not shown")
    return tuple(found), notes
