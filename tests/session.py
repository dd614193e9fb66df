"""A whole session of a vague prompt, played by a script: errors, a refused call, three findings.

As a program (`python -m tests.session HOME HOST TABLES`) it is one sitting of the run: what a test
kills. TABLES: names of bundled tables, or paths, with commas between them.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from earnest.core.budget import Budget
from earnest.core.home import Home
from earnest.core.messages import Completion, Message, Sampling, ToolCall, ToolSpec
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart
from earnest.recipes.research import make_task, research
from earnest.sandbox.choose import open_sandbox
from earnest.tasks.bundled import TABLES
from earnest.tasks.registry import Registry

RUN = "session"
PROMPT = "Something is going on in these tables. What?"
ERRAND = "Look at the last of the tables."
WINDOW = 14_000
ASLEEP_S = 4
SCRIPT = """\
import argparse, json
import pandas as pd
from scipy.stats import spearmanr

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(f"{options.data}/TABLE.csv", dtype=str)
x = MADE
y = pd.to_numeric(table["OUTCOME"], errors="coerce")
there = x.notna() & y.notna()
rho, p = spearmanr(x[there], y[there])
with open(options.out, "w") as file:
    json.dump({"rho": float(rho), "p": float(p)}, file)
"""
CLAIMS = {
    "diabetes": ("association", "progression", "bmi", "positive", None),
    "wine": ("difference", "proline", "target", "higher", "class_0"),
    "anes96": ("association", "selfLR", "PID", "positive", None),
    "penguins": ("difference", "flipper_length_mm", "species", "higher", "Gentoo"),
    "mpg": ("association", "mpg", "weight", "negative", None),
    "tips": ("association", "tip", "total_bill", "positive", None),
}


def submission(table: str, **more: object) -> dict[str, object]:
    """The arguments of `submit_finding` for a table's claim."""
    kind, outcome, exposure, direction, group = CLAIMS[table]
    made = f'pd.to_numeric(table["{exposure}"], errors="coerce")'
    if group:
        made = f'(table["{exposure}"] == "{group}").astype(float)'
    script = SCRIPT.replace("TABLE", table).replace("OUTCOME", outcome).replace("MADE", made)
    sign = "<" if direction == "negative" else ">"
    return {
        "kind": kind,
        "table": table,
        "outcome": outcome,
        "exposure": exposure,
        "direction": direction,
        "group": group,
        "script": script,
        "supports": f"rho {sign} 0 and p < 0.01",
        **more,
    }


def turns(tables: list[str], host: str) -> list[Message]:
    """The script. Each call's id says what it is for."""

    def cell(id_: str, code: str, **more: object) -> Message:
        return use("python", {"code": code, **more}, id=id_, text=f"Now: {id_}.")

    def note(text: str) -> ToolCall:
        arguments = {"action": "append", "file": "plan", "text": text}
        return ToolCall(id=f"note {text[:12]}", name="notes", arguments=arguments)

    read = "\n".join(
        f"t_{name} = pd.read_csv('/earnest-jail/data/{name}.csv', dtype=str)" for name in tables
    )
    bad = ToolCall(id="malformed", name="python", problem="its arguments can't be read: not JSON")
    first = tables[0]
    script = [
        Message(role="assistant", content="A plan.", calls=(note("1. look 2. claim 3. submit"),)),
        cell(
            "load",
            f"import pandas as pd\n{read}\nprint({', '.join(f't_{n}.shape' for n in tables)})",
        ),
        cell("traceback", f"t_{first}['no such column']"),
        cell("time-out", "import time\ntime.sleep(60)", timeout_s=1.0),
        use("http", {"url": f"http://{host}/order", "method": "POST"}, id="refused"),
        Message(role="assistant", content="", calls=(bad,)),
        use("telepathy", {"to": "the data"}, id="no such tool"),
        use("submit_finding", submission(first, outcome="no_such"), id="wrong column"),
    ]
    long = "for n in range(150): print(n, {}, 'x' * 60)"
    script += [cell(f"fill {number}", long.format(number)) for number in range(6)]
    script += [
        cell("asleep", f"import time\ntime.sleep({ASLEEP_S})\nprint('woke up')"),
        use("search", {"query": "KeyError 'no such column'", "where": "past"}, id="look back"),
        *(use("submit_finding", submission(name), id=f"submit {name}") for name in tables[:-1]),
        use("delegate", {"question": ERRAND}, id="delegate", text="A fresh look at the last one."),
        cell("still there", f"print('rows:', len(t_{first}))"),
        say("Each table has something in it: see the findings."),
    ]
    return script


class Player(ScriptedModel):
    """Plays the run's agent, and its sub-agent, in a window that the session does not fit in."""

    window: int | None = WINDOW

    def __init__(self, tables: list[str], host: str) -> None:
        super().__init__(turns(tables, host))
        last = tables[-1]
        self.errand = ScriptedModel(
            [
                use("python", {"code": "print(undefined)"}, id="sub traceback"),
                use("submit_finding", submission(last), id=f"submit {last}"),
                say("There is something in it."),
            ]
        )

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next turn of whoever is asked."""
        if messages[1].content.startswith(ERRAND):
            return self.errand.generate(messages, tools, sampling)
        return super().generate(messages, tools, sampling)


def main() -> None:
    """Do a sitting of the run; print how it ended and its verdicts."""
    root, host, listed = sys.argv[1:]
    home, refs = Home(Path(root)), []
    for name in listed.split(","):
        refs += (
            apart.seal_bundled(home, [name])
            if name in TABLES
            else [Registry(home).seal(Path(name), design="iid")]
        )
    task = make_task(PROMPT, refs)
    played = Player([ref.name for ref in refs], host)
    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        outcome = research(
            home, RUN, task, played, sandbox, lambda _: None, budget=Budget(), hosts=[host]
        )
    apart.close()
    words = {finding.table.name: verdict.word for finding, verdict in outcome.findings}
    ended = {"status": outcome.result.status, "reason": outcome.result.reason, "words": words}
    sys.stdout.write(json.dumps(ended) + "\n")


if __name__ == "__main__":
    main()
