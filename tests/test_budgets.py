"""Every budget of a run is hit and holds, seen from outside: sub-agents and a resume included.

The agent and its sub-agent do one thing over and over with the real tools; a witness counts what
really came of it: answers asked for, programs started, bytes in the workspace, requests at a host.
"""

from __future__ import annotations

import dataclasses
import http.server
import re
import threading
import time
from collections.abc import Callable

import pytest

from earnest.core.budget import NAMES, Budget
from earnest.core.events import read_events
from earnest.core.messages import Completion, Message, ToolCall, Usage
from earnest.core.quoted import unquoted
from earnest.recipes.research import explore, make_task

pytest.importorskip("cryptography")
SUB = "Go on with it."
UNLIMITED = Budget(**dict.fromkeys(NAMES))


class Busy:
    """Does the same again and again; after two turns it has a sub-agent do so, then goes on."""

    name, speaks, sees, priced, window, heard = "busy", None, False, True, None, None

    def __init__(self, call, turns=8, usage=None, interrupted_at=None):
        self.call, self.turns, self.at = call, turns, interrupted_at
        self.usage = usage or Usage(prompt_tokens=0, completion_tokens=0, cost_usd=0.0)
        self.price = Price(self.usage.cost_usd)
        self.given: list[Usage] = []

    def generate(self, messages, tools, sampling):
        if len(self.given) == self.at:
            self.at = None
            raise KeyboardInterrupt
        said = sum(message.role == "assistant" for message in messages)
        below = messages[1].content.startswith(SUB)
        if said >= self.turns:
            message = Message(role="assistant", content="That is all.")
        elif said == 2 and not below:
            call = ToolCall(id="delegate", name="delegate", arguments={"question": SUB})
            message = Message(role="assistant", content="", calls=(call,))
        else:
            tool, arguments = self.call(f"{'sub' if below else 'own'}-{said}")
            call = ToolCall(id=f"call-{said}", name=tool, arguments=arguments)
            message = Message(role="assistant", content="", calls=(call,))
        self.given.append(self.usage)
        stop = "calls" if message.calls else "end"
        return Completion(message=message, usage=self.usage, stop=stop)


class Price:
    """What an answer costs at most: what it then costs."""

    def __init__(self, each):
        self.each = each

    def cost(self, prompt, completion):
        return self.each


class Counting:
    """A sandbox that counts what is started in it."""

    def __init__(self, sandbox):
        self.sandbox, self.started = sandbox, 0

    def __getattr__(self, name):
        return getattr(self.sandbox, name)

    def run(self, job):
        self.started += 1
        return self.sandbox.run(job)

    def open(self, job):
        self.started += 1
        return self.sandbox.open(job)


@pytest.fixture
def site():
    """A host that counts what it is asked."""
    asked = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()


@dataclasses.dataclass
class Case:
    """One budget: what is done (by a unique word), what each answer uses, the limit, what ends."""

    call: Callable[[str], tuple[str, dict]]
    limit: float
    ends: bool
    usage: Usage | None = None


def note(word):
    return "notes", {"action": "append", "text": word}


CASES = {
    "steps": Case(note, 6, True),
    "tokens": Case(note, 600, True, Usage(prompt_tokens=60, completion_tokens=40, cost_usd=0.0)),
    "cost_usd": Case(note, 0.65, True, Usage(prompt_tokens=0, completion_tokens=0, cost_usd=0.1)),
    "wall_s": Case(lambda word: ("shell", {"command": f"sleep 0.4; echo {word}"}), 3.0, True),
    "processes": Case(lambda word: ("shell", {"command": f"echo {word}"}), 6, False),
    "bytes_written": Case(
        lambda word: ("write", {"path": f"{word}.txt", "content": "x" * 1000}), 6500, False
    ),
    "bytes written by code": Case(
        lambda word: ("shell", {"command": f"head -c 1000 /dev/zero > {word}.bin"}), 6500, False
    ),
    "network_calls": Case(lambda word: ("http", {"url": f"http://HOST/{word}"}), 6, False),
    "network calls by code": Case(
        lambda word: (
            "shell",
            {
                "command": f"python3 -c \"import urllib.request as r; r.urlopen('http://HOST/{word}')\""
            },
        ),
        6,
        False,
    ),
}
OF = {"bytes written by code": "bytes_written", "network calls by code": "network_calls"}


def test_every_budget_is_tried():
    assert {OF.get(name, name) for name in CASES} == set(NAMES)


def witness(name, home, model, sandbox, asked, took):
    """What was really used."""
    usages = model.given
    if name == "bytes_written":
        files = (home.runs / "r" / "workspace").rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())
    return {
        "steps": len(usages),
        "tokens": sum((one.prompt_tokens or 0) + (one.completion_tokens or 0) for one in usages),
        "cost_usd": round(sum(one.cost_usd or 0 for one in usages), 9),
        "wall_s": took,
        "processes": sandbox.started,
        "network_calls": len(asked),
    }[name]


def run(home, sandbox, site, name, budget, **more):
    """One run; return how it ended, and what was used."""
    host, asked = site
    case, counting, took = CASES[name], Counting(sandbox), 0.0

    def call(word):
        tool, arguments = case.call(word)
        return tool, {
            key: value.replace("HOST", host) if isinstance(value, str) else value
            for key, value in arguments.items()
        }

    turns = 100 if name == "wall_s" else 8  # more than a minute's, however little one takes
    model = Busy(call, turns, usage=case.usage, **more)
    task = make_task("What is going on here?", [])
    for _ in range(2 if more else 1):
        began = time.monotonic()
        result = explore(
            home, "r", task, model, counting, lambda _: None, budget=budget, hosts=[host]
        )
        took += time.monotonic() - began
        if result.status != "stopped":
            break
    return result, witness(OF.get(name, name), home, model, counting, asked, took)


def told(home):
    """What tools gave, in the run and its sub-agent."""
    logs = [home.runs / "r" / "events.jsonl", *(home.runs / "r").glob("sub/*/events.jsonl")]
    events = [event for log in logs for event in read_events(log)]
    return [unquoted(e.payload["observation"]["content"]) for e in events if e.kind == "effect"]


QUICK = ("steps", "bytes_written")
SLOW = ("bytes written by code", "network calls by code", "wall_s")


@pytest.mark.parametrize(
    ("name", "interrupted"),
    [
        pytest.param(name, cut, marks=[] if not cut or name in QUICK else [pytest.mark.slow])
        for name in CASES
        for cut in (False, True)
        if name == "wall_s" or name not in SLOW or cut
    ],
)
def test_each_budget_is_hit_and_holds(home, sandbox, site, name, interrupted):
    if sandbox.name not in ("warm", "bwrap"):
        pytest.skip(f"{sandbox.name} has no network")
    case, what = CASES[name], OF.get(name, name)
    budget = dataclasses.replace(UNLIMITED, **{what: case.limit})
    more = {"interrupted_at": 3} if interrupted else {}
    result, used = run(home, sandbox, site, name, budget, **more)
    late = 1.5 if interrupted else 30  # an act that was begun may end; the quick one is not alone
    most = case.limit + (late if what == "wall_s" else 0)
    assert 0.6 * case.limit <= used <= most, (result.status, result.reason)
    assert result.status == ("over-budget" if case.ends else "done"), result.reason
    if not case.ends:
        words = (
            f"the budget of {case.limit:g} {what} is used up|the budget of bytes written is used up"
        )
        assert re.search(words, "\n".join(told(home))), told(home)
    assert (home.runs / "r" / "sub" / "1" / "events.jsonl").exists()


@pytest.mark.parametrize("name", ["steps", "bytes_written", "network_calls"])
def test_without_the_budget_more_is_used(home, sandbox, site, name):
    """The control: what was held would have gone on."""
    result, used = run(home, sandbox, site, name, UNLIMITED)
    assert result.status == "done"
    assert used > CASES[name].limit
