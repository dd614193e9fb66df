"""The state of this machine: which sandbox it gets, what each lacks, what would mend it.

Not covered: whether a model's server answers; whether training fits into this machine's memory.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import EarnestError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.sandbox.choose import BACKENDS, UNSAFE, State, examine
from earnest.sandbox.image import build_image
from earnest.sandbox.machine import Facts, ask
from earnest.sandbox.mends import Mend, mends

_QUIET_S: Final = 2.0
_MOST_S: Final = 10.0
_LEAST_GIB: Final = 2.0
_LONGEST: Final = 200  # characters of a complaint that a person is shown
_FOR_US: Final = frozenset(("dev", "demo"))  # extras that are made of others


class _Patience:
    """Passes words on only to a person who has waited for a while."""

    def __init__(self, say: Progress) -> None:
        self._say, self._last, self._loud = say, "looking at this machine ...", False
        self._lock = threading.Lock()
        self._timer = threading.Timer(_QUIET_S, self._speak)
        self._timer.daemon = True

    def __enter__(self) -> _Patience:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _speak(self) -> None:
        with self._lock:
            self._loud = True
            self._say(self._last)

    def __call__(self, line: str) -> None:
        with self._lock:
            self._last = line
            if self._loud:
                self._say(line)


def extras(requirements: Iterable[str]) -> dict[str, str]:
    """Return what each extra lacks, or `ok`, from a distribution's list of requirements."""
    lacking: dict[str, list[str]] = {}
    for line in requirements:
        found = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        name = re.match(r"[\w.-]+", line)
        if found is None or name is None or found[1] in _FOR_US or name[0] == "earnest":
            continue
        missing = lacking.setdefault(found[1], [])
        try:
            importlib.metadata.version(name[0])
        except importlib.metadata.PackageNotFoundError:
            missing.append(name[0])
    return {
        extra: f"lacks {', '.join(missing)}: pip install 'earnest[{extra}]'" if missing else "ok"
        for extra, missing in sorted(lacking.items())
    }


def _installed_extras() -> dict[str, str]:
    try:
        return extras(importlib.metadata.requires("earnest") or ())
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return {}


def _examined(home: Home, say: Progress) -> tuple[dict[str, State], list[Mend]]:
    """Return what each backend is worth, and what stood in the way of finding that out."""
    started, states, trouble = time.monotonic(), {}, []
    with tempfile.TemporaryDirectory(prefix="earnest-doctor-") as empty:
        image = Path(empty)
        image.chmod(0o755)
        try:
            say("laying out the jails' packages (once) ...")
            image = build_image(home.images)
        except EarnestError as error:
            trouble.append(Mend(str(error), error.mend))
        for name, state in examine(image, say):
            states[name] = state
            if time.monotonic() - started > _MOST_S:
                break
    for name in BACKENDS:
        late = State(False, "not tried: the others took too long", "earnest doctor, once more")
        states.setdefault(name, late)
    return states, trouble


def advice(facts: Facts, states: Mapping[str, State], free_gib: float) -> list[Mend]:
    """Return what to mend: what the machine lacks, then what a backend alone complains of.

    What only stands in the way of backends that work all the same is left out.
    """
    found = [
        mend
        for mend in mends(facts)
        if not mend.stops or not all(name in states and states[name].ok for name in mend.stops)
    ]
    named = {name for mend in found for name in mend.stops}
    for name, state in states.items():
        if not state.ok and state.mend and name not in named:
            says = state.says if state.says.startswith(name) else f"{name}: {state.says}"
            found.append(Mend(says, state.mend, (name,)))
    if free_gib < _LEAST_GIB:
        found.append(Mend(f"{free_gib} GiB free where EARNEST_HOME lies", "--home DIR elsewhere"))
    return found


def _machine_lines(facts: Facts) -> list[str]:
    asked = facts.asked
    words = [asked.system, asked.release, facts.distribution, "root" if asked.root else "a user"]
    words += [f"in a {facts.container} container"] if facts.container else []
    words += [f"WSL {facts.wsl}"] if facts.wsl else []
    lines = [f"machine: {', '.join(word for word in words if word)}"]
    if asked.system != "Linux":
        return lines
    nested = ("none", "one, not nested", "nested")[asked.namespaces]
    limits = "hard limits" if facts.hard_limits else "soft limits (they can't be written)"
    return [
        *lines,
        f"  user namespaces: {nested}",
        f"  bubblewrap: {asked.bwrap or 'none'}",
        f"  Landlock: {asked.landlock or 'none'}; system call filters: "
        f"{'yes' if facts.seccomp else 'no'}",
        f"  control groups: {facts.cgroups}, {limits}",
    ]


def words(document: Mapping[str, Any], facts: Facts) -> str:
    """Return the document for a person: short lines."""
    lines = [f"sandbox: {document['backend'] or 'none: nothing that is not trusted will run'}"]
    for name, state in document["backends"].items():
        says = textwrap.shorten(state["says"], _LONGEST, placeholder=" …")
        lines.append(f"  {name:<12} {says if state['ok'] else f'lacks: {says}'}")
    lines.append(f"  {UNSAFE:<12} by its name only: isolates nothing, can't grade or verify")
    lines += _machine_lines(facts)
    lines.append(f"home: {document['home']['path']}, {document['home']['free_gib']} GiB free")
    lines += [f"extra {name}: {state}" for name, state in document["extras"].items()]
    for mend in document["mends"]:
        how = mend["mend"].replace("\n", "\n      ")
        what = textwrap.shorten(mend["lacks"], _LONGEST, placeholder=" …")
        lines += [f"lacks: {what}", f"  mend: {how}"]
    return "\n".join(lines)


def examine_machine(home: Home, say: Progress) -> tuple[int, dict[str, Any], str]:
    """Return the exit status (3 where there is no sandbox), the JSON document, and the words."""
    with _Patience(say) as patience:
        facts = Facts.read(ask())
        states, trouble = _examined(home, patience)
    backend = next((name for name, state in states.items() if state.ok), None)
    free = round(shutil.disk_usage(home.root).free / 2**30, 1)
    found = [*trouble, *advice(facts, states, free)]
    document = {
        "version": 1,
        "backend": backend,
        "backends": {name: asdict(state) for name, state in states.items()},
        "machine": facts.document(),
        "mends": [
            {"lacks": mend.lacks, "mend": mend.mend, "stops": list(mend.stops)} for mend in found
        ],
        "home": {"path": str(home.root), "free_gib": free},
        "extras": _installed_extras(),
    }
    return 0 if backend else 3, document, words(document, facts)
