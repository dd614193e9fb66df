"""Run a finding's evidence again and compare: plain Python, and the packages in requirements.txt.

    python rerun.py             checks all files, then runs evidence.py on data/ with three seeds
    python rerun.py --data DIR  the same with a table that was too large to be in here

It ends with status 0 if the files are what they were and the numbers are the declared ones, within
the declared tolerance; else it says what differs and ends with status 1. evidence.py was written
by an agent and is run as it stands: do it where you would run code that you don't trust.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import operator
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEEDS = (1, 2, 3)
COMPARED = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def sha256(path: Path) -> str:
    """Return the hash of a file, as it is written everywhere here."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def metadata() -> list[dict[str, Any]]:
    """Return the entities of the crate's metadata."""
    text = (HERE / "ro-crate-metadata.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["@graph"]
    return found


def changed_files() -> list[str]:
    """Return what is not as the metadata and SHA256SUMS say."""
    expected = {(one["@id"], one["sha256"]) for one in metadata() if "sha256" in one}
    for line in (HERE / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        hash_, _, name = line.partition("  ")
        expected.add((name, hash_))
    found = []
    for name, hash_ in sorted(expected):
        path = HERE / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif sha256(path) != f"sha256:{hash_}":
            found.append(f"{name} has changed")
    return found


def changed_evidence(evidence: dict[str, Any], data: Path) -> list[str]:
    """Return what is not as the finding itself says; its own hash is the finding's id."""
    ids = {one.get("identifier") for one in metadata() if one.get("@id") == "./"}
    found = [] if sha256(HERE / "finding.json") in ids else ["finding.json is not this finding"]
    if sha256(HERE / "evidence.py") != evidence["script"]:
        found.append("evidence.py is not the finding's script")
    for name, expected in evidence["inputs"].items():
        if not (data / name).is_file():
            found.append(f"{data / name} is missing: name its folder with --data")
        elif sha256(data / name) != expected:
            found.append(f"{name} is not the finding's input")
    return found


def results(python: str, data: Path, seed: int) -> dict[str, float]:
    """Run the script in a folder of its own; return the numbers that it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        if (data / "http").is_dir():  # what hosts answered the run: the script finds it here
            shutil.copytree(data / "http", Path(folder) / "http")
        command = [python, "-I", str(HERE / "evidence.py")]
        command += ["--data", str(data), "--out", str(out), "--seed", str(seed)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode or not out.is_file():
            sys.exit(f"evidence.py ended with status {done.returncode}\n{done.stderr[-2000:]}")
        found: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))
        return found


def differences(declared: dict[str, float], found: dict[str, float], tolerance: float) -> list[str]:
    """Return which numbers differ by more than the tolerance, which is relative."""
    names = sorted(set(declared) ^ set(found))
    lines = [f"{name} is in one of the two only" for name in names]
    for name in sorted(set(declared) & set(found)):
        one, other = declared[name], found[name]
        if not math.isclose(one, other, rel_tol=max(tolerance, 1e-9), abs_tol=1e-9):
            lines.append(f"{name}: declared {one!r}, found {other!r}")
    return lines


def holds(predicate: str, numbers: dict[str, float]) -> bool:
    """Say whether numbers satisfy a conjunction of `[abs](NAME) OP NUMBER`."""
    for part in re.split(r"\band\b", predicate):
        found = re.fullmatch(r"\s*(abs\()?`?(\w+)`?\)?\s*([<>=!]=?)\s*(\S+)\s*", part)
        if not found:
            sys.exit(f"can't read {part!r}")
        value = abs(numbers[found[2]]) if found[1] else numbers[found[2]]
        if not COMPARED[found[3]](value, float(found[4])):
            return False
    return True


def main() -> int:
    """Check, run, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="folder of the inputs")
    parser.add_argument("--python", default=sys.executable, help="runs evidence.py")
    options = parser.parse_args()
    data = options.data.resolve()
    evidence = json.loads((HERE / "finding.json").read_text(encoding="utf-8"))["evidence"]
    if not evidence["inputs"]:
        data.mkdir(exist_ok=True)  # it reads no table, and finds an empty folder
    wrong = changed_files() + changed_evidence(evidence, data)
    if wrong:
        print("\n".join(wrong))
        return 1
    for seed in SEEDS:
        found = results(options.python, data, seed)
        wrong = differences(evidence["results"], found, evidence["tolerance"])
        if not wrong and not holds(evidence["supports"], found):
            wrong = [f"{evidence['supports']} does not hold"]
        print(f"seed {seed}: {'; '.join(wrong) or 'the declared numbers'}")
        if wrong:
            return 1
    print(f"all files are as the metadata says, and {evidence['supports']!r} holds")
    print(f"metadata {sha256(HERE / 'ro-crate-metadata.json')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
