"""Honest bundles with awkward code, over all designs and kinds. None may be `invalid`."""

from __future__ import annotations

from typing import Final

from earnest.verify.bundles import honest_others, honest_shapes, honest_trial

HONEST: Final = (*honest_trial.bundles(), *honest_others.bundles(), *honest_shapes.bundles())
