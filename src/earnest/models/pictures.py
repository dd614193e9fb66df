"""Pictures for models that can see: which of a conversation's are shown, and as what.

A picture that is not shown is only named, by the tool that made it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from earnest.core.messages import Message, Picture
from earnest.core.protocols import Blobs

MOST_PICTURES: Final = 20
MOST_BYTES: Final = 4 * 2**20
_MEDIA: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")


class Album:
    """The pictures of one conversation that a model is shown: the last ones, of known kinds."""

    def __init__(self, messages: Sequence[Message], blobs: Blobs | None, sees: bool) -> None:
        """`blobs`: where their bytes lie; without it none is shown."""
        self._blobs = blobs if sees else None
        there = [picture for message in messages for picture in message.pictures]
        self._shown = {picture.blob for picture in there[-MOST_PICTURES:]}

    def coded(self, picture: Picture) -> str | None:
        """Return a picture's bytes in base 64; None: it is not shown.

        Raises `RecordError` where its blob is gone or changed.
        """
        if self._blobs is None or picture.blob not in self._shown or picture.media not in _MEDIA:
            return None
        data = self._blobs.get(picture.blob)
        return base64.b64encode(data).decode("ascii") if len(data) <= MOST_BYTES else None
