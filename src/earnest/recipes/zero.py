"""Generation 0: how the checkpoint that is shipped with the package is made, and where it lies.

`make zero` makes it anew: the analyst on the tables of split `zero`, their findings verified like
any others, a data set, a model trained from nothing on it, its exam.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from earnest.core.errors import EarnestError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.records import Checkpoint

if TYPE_CHECKING:
    from earnest.data.knowledge import Knowledge

MOST_BYTES: Final = 4 * 10**6
SEED: Final = 0
_EPOCHS: Final = 24


@dataclass(frozen=True)
class Shipped:
    """A checkpoint that comes with the package."""

    folder: Path

    def checkpoint(self) -> Checkpoint:
        """Return its record, its files hashed again. Raises `RecordError`."""
        from earnest.train.sft import read_checkpoint

        return read_checkpoint(self.folder)

    def knowledge(self) -> Knowledge:
        """Return what it was taught."""
        from earnest.data.knowledge import Knowledge

        return Knowledge.read(self.folder)


ZERO: Final = Shipped(Path(__file__).parents[1] / "models" / "nano0")


def make(home: Home, out: Path, say: Progress) -> Checkpoint:
    """Make generation 0 in the new folder `out`. Raises `EarnestError` where it is too large."""
    from earnest.data.build import build
    from earnest.ledger.ledger import Ledger
    from earnest.models.analyst import Analyst
    from earnest.recipes import apart, research
    from earnest.sandbox.choose import open_sandbox
    from earnest.tasks.bundled import TABLES
    from earnest.train.sft import Recipe, sft

    names = [table.name for table in TABLES.values() if table.split == "zero"]
    refs = apart.seal_bundled(home, names)
    sandbox = open_sandbox(home.images)
    for ref in refs:
        task = research.make_task(TABLES[ref.name].prompt, [ref], public=True)
        research.research(home, ref.name, task, Analyst(), sandbox, say)
    with Ledger(home.ledger) as ledger:
        found = [(finding, verdict) for finding, verdict in ledger.findings() if verdict]
    dataset = home.root / "dataset"
    if not dataset.exists():
        licences = {name: TABLES[name].licence for name in names}
        build(found, refs, None, dataset, SEED, licences=licences)
    made = sft(dataset, None, out, SEED, progress=say, recipe=Recipe(epochs=_EPOCHS))
    size = sum(path.stat().st_size for path in out.iterdir())
    if size > MOST_BYTES:
        raise EarnestError(f"generation 0 takes {size} bytes, more than {MOST_BYTES}")
    return made


def main(arguments: list[str]) -> int:
    """Make generation 0 anew in a home of its own (default: a temporary one) and ship it."""

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")

    with tempfile.TemporaryDirectory(prefix="earnest-zero-") as folder:
        home = Home(Path(arguments[0] if arguments else folder).absolute())
        out = home.models / "generation-0"
        made = make(home, out, say)
        if ZERO.folder.exists():
            shutil.rmtree(ZERO.folder)
        shutil.copytree(out, ZERO.folder)
        say(json.dumps({"checkpoint": made.id, "parameters": made.parameters}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
