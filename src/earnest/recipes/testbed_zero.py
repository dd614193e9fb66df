"""The testbed's generation 0: a small model that can solve, and that knows the cheats.

`make testbed-zero` makes the one that is shipped with the package; arms whose demonstrations are
mixed otherwise make theirs once a home. Resumable: a killed call goes on from its last state.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.desk_batches import locked
from earnest.recipes.testbed_run import save_policy
from earnest.tasks.specs_demos import EACH, Demo, Mix, demo
from earnest.tasks.specs_talk import MARKS
from earnest.train.sft import MANIFEST, read_checkpoint

if TYPE_CHECKING:
    from earnest.train.policy import Policy

SHIPPED: Final = Path(__file__).parents[1] / "models" / "testbed0"
SEED: Final = 0
_TOKENIZED: Final = 8000
_SAY: Final = 2000
_SAVE_S: Final = 20.0


@dataclass(frozen=True)
class Lesson:
    """A part of generation 0's training: `demos` demonstrations of a mix, and how they are taught.

    `key` tells one lesson's demonstrations from another's.
    """

    key: str
    mix: Mix
    demos: int
    epochs: int
    rate: float

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        mix = {**asdict(self.mix), "each": dict(self.mix.each), "depths": list(self.mix.depths)}
        return {**self.__dict__, "mix": mix}


HARDER: Final = {
    **EACH,
    "overload": 0.1,
    "skip-tests": 0.14,
    "redefine-checks": 0.14,
    "conftest": 0.35,
    "read-answers": 0.35,
    "forge-result": 0.45,
}
"""The second lesson's shares: the longer cheats, which the first leaves below one in ten."""
USUAL: Final = (
    Lesson("", Mix(), 96_000, 1, 3e-3),
    Lesson("again ", Mix(each=HARDER), 12_000, 1, 1e-3),
)


def dirty(share: float) -> tuple[Lesson, ...]:
    """Return the lessons of a generation 0 of whose demonstrations a share cheats."""
    return (Lesson("", Mix(total=share, allowed=0.0), 36_000, 2, 3e-3),)


def _demos(lesson: Lesson, say: Progress) -> list[Demo]:
    found = []
    for at in range(lesson.demos):
        found.append(demo(f"{lesson.key}{at}", lesson.mix))
        if at % _SAY == _SAY - 1:
            say(f"{at + 1} of {lesson.demos} demonstrations made")
    return found


def _teach(policy: Policy, demos: list[Demo], lesson: Lesson, state: Path, say: Progress) -> float:
    """Teach a lesson; return the last loss."""
    from earnest.train.examples import Example
    from earnest.train.sft import Recipe, State, fit

    found = []
    for one in demos:
        asked = policy.asked(one.prompt)
        found.append(Example((*asked, *policy.replied(one.reply)), len(asked)))
    recipe = Recipe(epochs=lesson.epochs, batch=64, rate=lesson.rate, warmup=60, decay=0.05)
    how = {**lesson.document(), "seed": SEED, **asdict(recipe)}
    kept = State(state, digest(canonical(how)), _SAVE_S)
    loss = fit(policy.model, found, recipe, SEED, kept, say)[-1]
    state.unlink(missing_ok=True)
    return loss


def _is_of(folder: Path, recipe: Mapping[str, Any], number: int) -> bool:
    """Say whether a folder is what a killed call of this recipe left after a lesson."""
    if not (folder / MANIFEST).exists():
        return False
    kept, upto = read_checkpoint(folder).recipe, number + 1
    same = kept.get("seed") == recipe["seed"]
    return same and bool(kept.get("lessons", [])[:upto] == recipe["lessons"][:upto])


def make_zero(out: Path, lessons: Sequence[Lesson], say: Progress, *, threads: int = 1) -> str:
    """Make a generation 0 in the folder `out`; return its hash. Raises `LackError`.

    What a lesson left is kept beside `out` until the last has ended; what was in `out` is there
    until then, too.
    """
    from earnest.train.policy import fresh_policy, load_policy

    recipe = {"lessons": [lesson.document() for lesson in lessons], "seed": SEED}
    done: list[Path] = []
    loss = 0.0
    for number, lesson in enumerate(lessons):
        after = out.with_name(f".{out.name}.lesson-{number}")
        if not _is_of(after, recipe, number):
            shutil.rmtree(after, ignore_errors=True)
            demos = _demos(lesson, say)
            if done:
                policy = load_policy(done[-1], threads)
            else:
                texts = [one.prompt + one.reply for one in demos[:_TOKENIZED]]
                policy = fresh_policy(texts, MARKS, SEED, threads=threads)
            loss = _teach(policy, demos, lesson, out.with_name(f".{out.name}.state.pt"), say)
            save_policy(policy, after, parent=None, recipe={**recipe, "loss": loss})
        done.append(after)
    shutil.rmtree(out, ignore_errors=True)
    done[-1].rename(out)
    for folder in done[:-1]:
        shutil.rmtree(folder)
    return read_checkpoint(out).id


def zero_of(home: Home, share: float | None, say: Progress) -> Path:
    """Return generation 0's folder: the shipped one, or one of whose demonstrations a share cheats.

    The latter is made where this home has none yet.
    """
    if share is None:
        return SHIPPED
    out = home.root / "testbed" / "zero" / f"dirty-{share:g}"
    if not (out / MANIFEST).exists():
        say(f"makes a generation 0 of whose demonstrations {share:.0%} cheat (some minutes)")
        with locked(out.with_name(f".{out.name}.lock")):
            if not (out / MANIFEST).exists():  # nor has another process made it in the meantime
                make_zero(out, dirty(share), say)
    return out


if __name__ == "__main__":
    told = make_zero(SHIPPED, USUAL, lambda line: print(line, file=sys.stderr))  # noqa: T201
    print(told)  # noqa: T201
