"""`earnest bench search`: what it costs to find a fact in two million tokens of files.

200 files of invented text (words drawn with frequencies as in a natural language), with 20 planted
facts. The peer, in the same run: reading all files and looking for each word in them.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from earnest.core.machine import machine
from earnest.core.protocols import Progress
from earnest.tools.files import Files
from earnest.tools.search import SearchTool
from earnest.tools.workspace import Workspace

_FILES: Final = 200
_BYTES: Final = 40_960
_FACTS: Final = 20
_WORDS: Final = 30_000
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
GOALS: Final = {"first query": 5.0, "later query, median": 100.0, "facts found first": _FACTS}


def _text(draw: random.Random) -> list[str]:
    """Return the texts of the files; a word's frequency falls with its rank (Zipf)."""
    words = ["".join(draw.choices(_LETTERS, k=draw.randint(2, 9))) for _ in range(_WORDS)]
    weights = [1 / (rank + 2.7) for rank in range(_WORDS)]
    texts = []
    for _ in range(_FILES):
        drawn = draw.choices(words, weights, k=_BYTES // 5)
        lines = [" ".join(drawn[at : at + 12]) for at in range(0, len(drawn), 12)]
        texts.append("\n".join(lines)[:_BYTES])
    return texts


def _timed(action: Callable[[], str]) -> tuple[float, str]:
    began = time.perf_counter()
    said = action()
    return time.perf_counter() - began, said


def _asked(tool: SearchTool, query: str) -> str:
    return tool.call({"query": query}).content


def _scanned(workspace: Workspace, query: str) -> str:
    """Look for each word of a query in all files; return the file that has most of them."""
    words = query.casefold().split()
    best, at = 0, ""
    for name in workspace.sizes():
        text = workspace.read(name).decode().casefold()
        score = sum(word in text for word in words)
        best, at = (score, name) if score > best else (best, at)
    return at


def bench_search(progress: Progress) -> dict[str, Any]:
    """Measure it. Returns the document of `bench NAME --json`."""
    draw = random.Random(0)  # noqa: S311 - it draws texts
    with tempfile.TemporaryDirectory(prefix="earnest-bench-") as folder:
        workspace = Workspace(Path(folder) / "w")
        texts, facts = _text(draw), []
        for number in range(_FACTS):
            at = number * (_FILES // _FACTS)
            key = "".join(draw.choices(_LETTERS, k=8))
            facts.append((f"doc{at}", f"berth of the ship {key}"))
            texts[at] += f"\nThe berth of the ship {key} is {draw.randrange(1000)}.\n"
        for at, text in enumerate(texts):
            workspace.write(f"doc{at}", text.encode())
        progress(f"{sum(map(len, texts)):,} bytes in {_FILES} files")
        tool = SearchTool(Files(workspace))
        first, _ = _timed(partial(_asked, tool, "harbour"))
        later = [_timed(partial(_asked, tool, q)) for _, q in facts]
        right = sum(
            said.startswith(f"{name}:") for (name, _), (_, said) in zip(facts, later, strict=True)
        )
        workspace.write("doc0", b"changed\n")
        changed, _ = _timed(partial(_asked, tool, "changed"))
        scans = [_timed(partial(_scanned, workspace, q)) for _, q in facts[:5]]
        tool.close()
    median = statistics.median(took for took, _ in later)
    scan = statistics.median(took for took, _ in scans)
    rows = [
        ("text", sum(map(len, texts)) / 1e6, "MB", 1),
        ("first query", first, "s", 1),
        ("later query, median", median * 1e3, "ms", len(later)),
        ("later query, slowest", max(took for took, _ in later) * 1e3, "ms", len(later)),
        ("query after one file changed", changed * 1e3, "ms", 1),
        ("facts found first", right, f"of {_FACTS}", len(later)),
        ("reading all files for the words, median", scan * 1e3, "ms", len(scans)),
    ]
    return {
        "name": "search",
        "machine": machine(),
        "rows": [dict(zip(("what", "value", "unit", "n"), row, strict=True)) for row in rows],
        "ratios": {"reading all files over a later query": scan / median},
        "goals": {
            "first query under 5 s": {"met": first < GOALS["first query"]},
            "later query under 100 ms": {"met": median * 1e3 < GOALS["later query, median"]},
            "every fact found first": {"met": right == GOALS["facts found first"]},
        },
    }
