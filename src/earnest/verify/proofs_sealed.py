"""The proofs of checks 2 and 3, and of what is not tested: what honest evidence comes to."""

from __future__ import annotations

from typing import Final

from earnest.verify.proofs_cases import HONEST, Case

SEALED: Final = (
    Case("true of the visible rows only", HONEST, "inconclusive", "sealed", slope_sealed=0.0),
    Case("the opposite on the sealed rows", HONEST, "refuted", "sealed", slope_sealed=-1.0),
    Case("computed from the exposure", HONEST, "inconclusive", "definitional", defined=True),
    Case(
        "all but computed from the exposure",
        HONEST,
        "confirmed",
        "sealed",
        slope_visible=9.0,
        slope_sealed=9.0,
    ),
)
