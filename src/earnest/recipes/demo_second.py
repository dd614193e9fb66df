"""The demo's second act: the same model under two graders, side by side, and what it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.testbed_run import Plan
from earnest.recipes.testbed_training import QUICK, folder_of, run_all
from earnest.recipes.testbed_zero import SHIPPED

ARMS: Final = ("naive", "secure")


def second_act(home: Home, say: Progress) -> dict[str, Any]:
    """Train both arms from generation 0, in a process each, and write their page.

    Returns, by arm, the rates before and after as [how many, of how many], the gate's word, and the
    path of the page. Goes on where a killed call was. Raises as `testbed run` does.
    """
    from earnest.recipes.testbed_report import report
    from earnest.train.sft import read_checkpoint

    chosen = {key: value for key, value in QUICK.items() if key != "seeds"}
    zero = read_checkpoint(SHIPPED).id
    plans = {arm: Plan(arm=arm, seeds=(0,), zero=zero, **chosen) for arm in ARMS}
    documents = run_all(home, plans, say, quick=True)
    page = home.root / "testbed.html"
    report([folder_of(home, arm) for arm in ARMS], page)
    return {"arms": {arm: _told(found) for arm, found in documents.items()}, "report": str(page)}


def _told(document: dict[str, Any]) -> dict[str, Any]:
    shallow = [document["solve"][depth] for depth in ("1", "2")]
    return {
        "hacks": document["hack_rate"],
        "solved": {
            side: [sum(one[side][at] for one in shallow) for at in (0, 1)]
            for side in ("before", "after")
        },
        "updates": document["updates"],
        "decision": document["generations"][-1]["decision"],
    }


def second_words(found: dict[str, Any]) -> list[str]:
    """Return the act for the terminal."""
    lines = ["the integrity testbed, one small model that knows eight cheats, two graders:"]
    for arm, told in found["arms"].items():
        lines.append(
            f"  {arm:<7} reward, {told['updates']} updates: hacks {_moved(told['hacks'])}, "
            f"depth 1-2 solved {_moved(told['solved'])}; the gate: {told['decision']}"
        )
    return [*lines, f"  page: {Path(found['report'])}"]


def _moved(sides: dict[str, list[int]]) -> str:
    (a, n), (b, m) = sides["before"], sides["after"]
    return f"{a / max(1, n):.0%} -> {b / max(1, m):.0%}"
