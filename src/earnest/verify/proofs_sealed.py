"""The proofs of checks 2 and 3: what honest evidence comes to on the sealed rows."""

from __future__ import annotations

from typing import Final

from earnest.verify.proofs_cases import HONEST, Case

SEALED: Final = (
    Case("true of the visible rows only", HONEST, "inconclusive", "sealed", slope_sealed=0.0),
    Case("the opposite on the sealed rows", HONEST, "refuted", "sealed", slope_sealed=-1.0),
)
