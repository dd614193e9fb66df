"""A run with a server of its user's: classed calls pass the guard, others don't, and say why."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

from earnest.agent.replay import replay
from earnest.core.events import read_events
from earnest.core.running import began, below
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import research
from earnest.recipes.earlier_notes import SAW_ALL
from earnest.tasks.registry import Registry
from earnest.tools.mcp_servers import Server

pytest.importorskip("mcp", reason="needs the extra mcp")

SERVER = """
from mcp.server import MCPServer
server = MCPServer("trial")

@server.tool()
def add(a: int, b: int) -> str:
    return str(a + b)

@server.tool()
def wipe(path: str) -> str:
    open(path, "w").close()
    return "gone"

server.run("stdio")
"""


def test_a_run_uses_the_tools_that_its_user_classed(home, sandbox, tmp_path):
    (tmp_path / "server.py").write_text(SERVER)
    args = (str(tmp_path / "server.py"),)
    server = Server("t", command=sys.executable, args=args, acts={"add": "network-read"})
    path = str(tmp_path / "wiped")
    turns = [
        use("t__add", {"a": 1, "b": 2}, id="1"),
        use("t__wipe", {"path": path}, id="2"),
        say("done"),
    ]
    said, before = [], below(os.getpid())
    task = research.make_task("Add.", [])
    model = ScriptedModel(turns)
    result = research.explore(home, "r1", task, model, sandbox, said.append, servers=[server])
    assert result.status == "done"
    (_, added), (_, wiped) = replay(read_events(home.runs / "r1" / "events.jsonl")).calls
    assert added.content == "3"
    assert wiped.failed
    assert '"acts": {"wipe": "network-read"}' in wiped.content
    assert not (tmp_path / "wiped").exists()
    assert "with your rights, in no jail): add (network-read), wipe (unknown: denied)" in said[0]
    servers = below(os.getpid()) - before
    assert not [pid for pid, when in servers if began(pid) == when and _serves(pid, args[0])]


def test_what_a_server_of_this_machine_may_have_read_caps_what_is_found(home, sandbox, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    task = research.make_task("?", [Registry(home).seal(tmp_path / "t.csv", design="iid")])
    sees = Server("t", command="x", acts={"add": "network-read"})
    blind = Server("t", command="x", acts={"add": "network-read"}, blind=True)
    assert research.exposure(task, "m", sandbox, [blind]) == "sealed"
    assert research.exposure(task, "m", sandbox, [blind, sees]) == "author-saw-all"
    said = []
    for run, server in (("r1", sees), ("r2", blind)):
        model = ScriptedModel([say("done")])
        research.explore(home, run, task, model, sandbox, said.append, servers=[server])
        assert (home.runs / run / SAW_ALL).exists() is (server is sees)
    assert len([line for line in said if "may read sealed rows" in line]) == 1


def _serves(pid, script):
    with contextlib.suppress(OSError):  # it may end as it is looked at
        return script.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
