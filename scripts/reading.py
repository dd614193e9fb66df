"""What a newcomer must read: the lines that a plain run executes, room by room, by coverage.

One run of the agent on a small table, in this process: a scripted model calls `python`, submits a
finding, and ends the run. It is made once before, so that all modules are imported and the
sandbox is warm; what importing executes does not count, nor what runs in other processes: the
jailed programs, and the verification, which is not the agent's run. Lines are counted as coverage
counts them: a statement over several lines is one.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import earnest
from earnest.core.canon import canonical
from earnest.core.home import Home
from earnest.core.protocols import Sandbox
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes.research import explore, make_task
from earnest.sandbox.choose import open_sandbox
from earnest.tasks.registry import Registry

MOST = {"agent": 600, "all": 1500}
SOURCE = Path(earnest.__file__).parent
CODE = """
import pandas as pd
print(pd.read_csv("/earnest-jail/data/t.csv").corr())
"""
SCRIPT = """
import argparse, json, pathlib
import pandas as pd
options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "t.csv")
rho = float(table["a"].corr(table["b"], method="spearman"))
pathlib.Path(options.out).write_text(json.dumps({"rho": rho}))
"""
CLAIM = {
    "kind": "association",
    "table": "t",
    "outcome": "b",
    "exposure": "a",
    "direction": "positive",
    "script": SCRIPT,
    "supports": "rho > 0.3",
}


def executed(home: Home, sandbox: Sandbox) -> tuple[dict[str, int], int]:
    """Return how many lines of each module a plain run executes, and how many in all as they stand.

    As they stand: a statement over several lines counts as all of those that were reached.
    """
    import coverage

    drawn = [(n * 37 % 101 / 10, n * 11 % 17) for n in range(200)]
    rows = ["a,b", *(f"{a},{a / 2 + noise / 3:.2f}" for a, noise in drawn)]
    (home.root / "t.csv").write_text("\n".join(rows) + "\n")
    task = make_task("What is going on?", [Registry(home).seal(home.root / "t.csv", design="iid")])
    turns = [use("python", {"code": CODE}), use("submit_finding", CLAIM), say("b goes with a")]

    def run(name: str) -> None:
        done = explore(home, name, task, ScriptedModel(turns), sandbox, lambda _: None)
        if done.status != "done" or len(done.findings) != 1:
            raise SystemExit(f"the run did not do what it should: {done}")

    run("first")
    meter = coverage.Coverage(data_file=None, include=[f"{SOURCE}/*"], config_file=False)
    meter.start()
    try:
        run("second")
    finally:
        meter.stop()
    found, data = {}, meter.get_data()
    for file in data.measured_files():
        _, statements, _, missing, _ = meter.analysis2(file)
        found[str(Path(file).relative_to(SOURCE))] = len(statements) - len(missing)
    return found, sum(len(data.lines(file) or ()) for file in data.measured_files())


def rooms(lines: Mapping[str, int]) -> dict[str, int]:
    """Return the lines of each room, and of all."""
    found: Counter[str] = Counter()
    for file, count in lines.items():
        found[file.partition("/")[0]] += count
    return {**dict(sorted(found.items())), "all": sum(lines.values())}


def over(found: Mapping[str, int]) -> list[str]:
    """Return the rooms that have more than they may."""
    return [room for room, most in MOST.items() if found.get(room, 0) > most]


def main() -> int:
    """Print the table; the exit status is 1 where a limit is passed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        with contextlib.closing(open_sandbox(home.images)) as sandbox:
            lines, standing = executed(home, sandbox)
    found = rooms(lines)
    if "--json" in sys.argv:
        sys.stdout.buffer.write(
            canonical({"rooms": found, "modules": lines, "standing": standing}) + b"\n"
        )
        return 0
    for file, count in sorted(lines.items()):
        sys.stdout.write(f"  {file:<36} {count:>5}\n")
    for room, count in found.items():
        limit = f"  (at most {MOST[room]})" if room in MOST else ""
        sys.stdout.write(f"{room:<38} {count:>5}{limit}\n")
    sys.stdout.write(f"{'all, as the lines stand':<38} {standing:>5}\n")
    return int(bool(over(found)))


if __name__ == "__main__":
    raise SystemExit(main())
