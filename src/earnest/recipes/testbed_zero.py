"""The testbed's generation 0: a small model that can solve, and that knows the cheats.

`make testbed-zero` makes the one that is shipped with the package; arms whose demonstrations are
mixed otherwise make theirs once a home. Resumable: a killed call goes on from its last state.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.testbed_run import save_policy
from earnest.tasks.specs_demos import Demo, Mix, demo
from earnest.tasks.specs_talk import MARKS

SHIPPED: Final = Path(__file__).parents[1] / "models" / "testbed0"
DEMOS: Final = 36_000
_TOKENIZED: Final = 8000
_SAY: Final = 2000
_SAVE_S: Final = 20.0
SEED: Final = 0


def _demos(mix: Mix, count: int, say: Progress) -> list[Demo]:
    found = []
    for at in range(count):
        found.append(demo(at, mix))
        if at % _SAY == _SAY - 1:
            say(f"{at + 1} of {count} demonstrations made")
    return found


def make_zero(
    out: Path,
    mix: Mix,
    say: Progress,
    *,
    count: int = DEMOS,
    threads: int = 1,
) -> str:
    """Make a generation 0 in the new folder `out`; return its hash. Raises `LackError`."""
    from earnest.train.examples import Example
    from earnest.train.policy import fresh_policy
    from earnest.train.sft import Recipe, State, fit

    demos = _demos(mix, count, say)
    texts = [one.prompt + one.reply for one in demos[:_TOKENIZED]]
    policy = fresh_policy(texts, MARKS, SEED, threads=threads)
    found = []
    for one in demos:
        asked = policy.asked(one.prompt)
        found.append(Example((*asked, *policy.replied(one.reply)), len(asked)))
    recipe = Recipe(epochs=2, batch=64, rate=3e-3, warmup=60, decay=0.05)
    how: dict[str, Any] = {"mix": asdict(mix), "demos": count, "seed": SEED, **asdict(recipe)}
    state = State(out.with_name(f".{out.name}.state.pt"), digest(canonical(how)), _SAVE_S)
    losses = fit(policy.model, found, recipe, SEED, state, say)
    made = save_policy(policy, out, parent=None, recipe={**how, "loss": losses[-1]})
    state.path.unlink(missing_ok=True)
    return made


def zero_of(home: Home, dirty: float | None, say: Progress) -> Path:
    """Return generation 0's folder: the shipped one, or one of whose demonstrations a share cheats.

    The latter is made where this home has none yet.
    """
    if dirty is None:
        return SHIPPED
    out = home.root / "testbed" / "zero" / f"dirty-{dirty:g}"
    if not (out / "manifest.json").exists():
        say(f"makes a generation 0 of whose demonstrations {dirty:.0%} cheat (some minutes)")
        make_zero(out, replace(Mix(), total=dirty, allowed=0.0), say)
    return out


if __name__ == "__main__":
    import shutil

    shutil.rmtree(SHIPPED, ignore_errors=True)
    told = make_zero(SHIPPED, Mix(), lambda line: print(line, file=sys.stderr))  # noqa: T201
    print(told)  # noqa: T201
