"""What an estimator is asked and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.verify.permute import PValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
RESAMPLES: Final = 599


@dataclass(frozen=True)
class Ask:
    """How to estimate. `alpha` decides how many draws are made; None: no test.

    `resamples`: of the bootstrap; with 0 the interval is the effect itself. `upper`: how many
    intervals share the upper error, for a bound that must hold in all of them.
    """

    alpha: float | None
    seed: int
    resamples: int = RESAMPLES
    upper: int = 1

    def interval(self, effect: float, drawn: Floats, sign: int = 1) -> tuple[float, float]:
        """Return the percentile interval of resampled effects; `sign` says which end is upper."""
        import numpy as np

        if not self.resamples:
            return effect, effect
        lower = (1 - LEVEL) / 2
        ends = [lower, 1 - lower / self.upper] if sign > 0 else [lower / self.upper, 1 - lower]
        low, high = np.nanquantile(drawn, ends)
        return float(low), float(high)


@dataclass(frozen=True)
class Estimate:
    """What the sealed rows say: a signed effect, its 95 % interval, and p in the claimed direction.

    `rows` counts the units that carry it; `p` is None where no error budget was allocated.
    """

    effect: float
    interval: tuple[float, float]
    p: PValue | None
    rows: int
    name: str
