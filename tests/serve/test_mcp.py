"""The MCP server as a real client meets it, over both transports: the SDK's own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import numpy as np
import pandas as pd
import pytest
from tests.homes import home_at
from tests.ledger.recount import Recount

from earnest.core.quoted import NOTICE
from earnest.core.records import Finding
from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.recipes.desk_batches import Batches
from earnest.serve.mcp import MOST_BYTES, Guard
from earnest.tasks.registry import Registry

mcp = pytest.importorskip("mcp", reason="needs the extra mcp")

SCRIPT = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "engines.csv")
rho = float(table["weight"].rank().corr(table["COLUMN"].rank()))
pathlib.Path(options.out).write_text(json.dumps({"rho": rho}))
"""
COLUMNS = tuple(f"torque{number}" for number in range(50))
FORKS = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        raise SystemExit(3)
"""
READS = "print(open('/proc/self/environ').read(), open('/etc/shadow').read())"


def claim(column="torque0", **more):
    return {
        "kind": "association",
        "table": "engines",
        "outcome": column,
        "exposure": "weight",
        "direction": "positive",
        "script": SCRIPT.replace("COLUMN", column),
        "supports": "rho > 0.2",
        **more,
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = home_at(tmp_path_factory.mktemp("world") / "home")
    rng = np.random.default_rng(5)
    weight = rng.normal(size=300)
    noise = {name: weight + rng.normal(size=300) for name in COLUMNS}
    frame = pd.DataFrame({"weight": weight, **noise}).round(5).astype(str)
    Registry(home).seal_frame(frame, "engines", design="iid")
    return home


def command(home, *more):
    asked = ["mcp", "--principal", "claude-code", "--home", str(home.root), *more]
    return [sys.executable, "-m", "earnest", *asked]


def environment(**more):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **more}


@contextlib.contextmanager
def over_http(home, *more, heard=None, **variables):
    """A server of its own process: yield its port. `heard`: takes what it said to people."""
    asked = command(home, "--http", "--port", "0", *more)
    with subprocess.Popen(
        asked, stderr=subprocess.PIPE, text=True, env=environment(**variables)
    ) as server:
        try:
            line = server.stderr.readline()
            assert line.startswith("MCP at http://127.0.0.1:"), line
            yield int(line.split("/mcp")[0].rpartition(":")[2])
        finally:
            server.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                rest = server.communicate(timeout=60)[1]
                (heard if heard is not None else []).extend([line, rest])
            server.kill()


@pytest.fixture(scope="module")
def port(home, sandbox):
    with over_http(home) as found:
        yield found


def client(home, port, transport):
    if transport == "http":
        return mcp.Client(f"http://127.0.0.1:{port}/mcp")
    first, *rest = command(home)
    return mcp.Client(mcp.StdioServerParameters(command=first, args=rest, env=environment()))


async def asked(one, tool, **arguments):
    """Call a tool that must succeed; return what it says."""
    result = await one.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    assert result.structured_content["notice"] == NOTICE
    return result.structured_content


async def verdict(one, finding, most_s=300):
    with anyio.fail_after(most_s):
        while True:
            told = await asked(one, "verification_status", id=finding)
            if told["state"] != "queued":
                return told
            await anyio.sleep(0.3)


def holds_together(home):
    found = audit(home.ledger, keys=KeyFolder(home.verifier))
    assert found.clean, found.problem
    return Recount().follow(home.ledger)


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_it_says_what_it_offers_and_what_only_reads(home, port, transport):
    async def look():
        async with client(home, port, transport) as one:
            tools = {tool.name: tool for tool in (await one.list_tools()).tools}
            assert "search_findings" in one.instructions
            assert "earnest seal FILE" in one.instructions
            templates = await one.list_resource_templates()
            (table,) = (await asked(one, "tables"))["tables"]
            return tools, templates.resource_templates, table

    tools, (template,), table = anyio.run(look)
    changes = {"submit_finding", "verification_status"}
    assert set(tools) - changes == {
        "search_findings", "get_finding", "open_questions", "related", "tables",
    }  # fmt: skip
    for name, tool in tools.items():
        assert tool.annotations.read_only_hint == (name not in changes)
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.idempotent_hint is True
        assert tool.input_schema["additionalProperties"] is False
        assert tool.description
    assert template.uri_template == "earnest://findings/{id}"
    assert (table["name"], table["design"]) == ("engines", "iid")
    assert table["columns"][-2:] == ["torque48", "… and 1 more"]


@pytest.mark.parametrize(
    ("first", "second", "column"),
    [("http", "stdio", "torque0"),
     pytest.param("stdio", "http", "torque1", marks=pytest.mark.slow)],
)  # fmt: skip
def test_what_one_client_finds_is_verified_and_found_by_another(home, port, first, second, column):
    async def finds():
        async with client(home, port, first) as one:
            known = await asked(one, "search_findings", query=column)
            assert column not in json.dumps(known["findings"])
            (table,) = (await asked(one, "tables"))["tables"]
            made = await asked(one, "submit_finding", **claim(column, table=table["id"][:24]))
            again = await asked(
                one, "submit_finding", **claim(column, table=table["id"][:24]),
                session=made["session"],
            )  # fmt: skip
            assert again["id"] == made["id"]
            told = await verdict(one, made["id"])
            assert (told["verdict"], told["trust"]) == ("confirmed", "verified")
            return made["id"]

    async def searches(name):
        async with client(home, port, second) as other:
            found = (await asked(other, "search_findings", query=f"weight {column}"))["findings"]
            assert found[0]["id"] == name
            whole = await asked(other, "get_finding", id=name[7:19])
            assert "import argparse" in whole["evidence"]["script"]
            assert whole["author"]["model"].startswith("mcp ")
            assert whole["author"]["principal"] == "claude-code"
            page = await other.read_resource(f"earnest://findings/{name}")
            assert page.contents[0].mime_type == "text/markdown"
            assert "Verdict: confirmed; trust: verified" in page.contents[0].text
            kin = await asked(other, "related", id=name)
            assert kin["id"] == name
            assert (await asked(other, "open_questions"))["questions"] == []
            listed = (await other.list_resources()).resources
            assert f"earnest://findings/{name}" in [str(one.uri) for one in listed]

    name = anyio.run(finds)
    anyio.run(searches, name)
    holds_together(home)


async def one_of_many(port, number, made):
    async with client(None, port, "http") as one:
        await asked(one, "search_findings", query=f"weight torque{number}")
        await asked(one, "tables")
        if number % 5 == 2:
            told = await asked(one, "submit_finding", **claim(f"torque{number}"))
            made[number] = told["id"]
            await asked(one, "verification_status", id=told["id"])
        for _ in range(3):
            await asked(one, "search_findings", query="torque", limit=5)


@pytest.mark.parametrize("many", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_many_clients_at_once_lose_and_double_nothing(home, port, many):
    made = {}

    async def all_at_once():
        async with anyio.create_task_group() as group:
            for number in range(many):
                group.start_soon(one_of_many, port, number, made)

    anyio.run(all_at_once)
    assert set(made) == {number for number in range(many) if number % 5 == 2}
    with Ledger(home.ledger) as ledger:
        there = Counter(one.claim.outcome for one, _ in ledger.findings())
        for number, name in made.items():
            assert ledger.get(name, Finding).claim.outcome == f"torque{number}"
    assert len(set(made.values())) == len(made)
    first = [number for number in made if many == 8 or number > 8]
    assert all(there[f"torque{number}"] == 1 for number in first)
    holds_together(home)


WRONG = [
    ("nope", {}, "no tool"),
    ("x" * 5000, {}, "no tool"),
    ("search_findings", {"query": 5}, "query"),
    ("search_findings", {"query": "x" * 5000}, "query"),
    ("search_findings", {"limit": 10**9}, "limit"),
    ("search_findings", {"limit": "10"}, "limit"),
    ("search_findings", {"offset": -1}, "offset"),
    ("search_findings", {"word": "true"}, "no verdict"),
    ("search_findings", {"path": "/etc/passwd"}, "path"),
    ("get_finding", {}, "id"),
    ("get_finding", {"id": "/etc/passwd"}, "no id"),
    ("get_finding", {"id": "../../../ledger.sqlite"}, "no id"),
    ("get_finding", {"id": "sha256:" + "0" * 64}, "no record"),
    ("get_finding", {"id": "sha256:\u202e12345678"}, "no id"),
    ("get_finding", {"id": None}, "id"),
    ("verification_status", {"id": "0" * 12}, "no record"),
    ("related", {"id": ["a"]}, "id"),
    ("open_questions", {"table": {"a": 1}}, "table"),
    ("submit_finding", {}, "arguments are wrong"),
    ("submit_finding", claim(table="/etc/passwd"), "no registered table"),
    ("submit_finding", claim(table="../engines"), "no registered table"),
    ("submit_finding", claim(session="../../x"), "session"),
    ("submit_finding", claim(session="s-mine"), "session"),
    ("submit_finding", claim(kind="miracle"), "kind"),
    ("submit_finding", claim(outcome="torque\u200b0"), "no column"),
    ("submit_finding", claim(script="x = 1\n" * 100_000), "bytes"),
    ("submit_finding", claim(script=READS), "the script"),
    ("submit_finding", claim(script="import subprocess as s; s.run(['curl', 'x'])"), "the script"),
    ("submit_finding", claim(supports="rho > 0.2 and open('/etc/passwd')"), "supports"),
    ("submit_finding", claim(supports="rho > 0.999"), "do not support"),
]


def test_wrong_and_hostile_calls_get_clear_errors_and_queue_nothing(home, port):
    before = {path.name for path in Batches(home).root.glob("open/*.json")}

    async def all_wrong():
        async with client(home, port, "http") as one:
            return [await one.call_tool(tool, arguments) for tool, arguments, _ in WRONG]

    for result, (tool, arguments, said) in zip(anyio.run(all_wrong), WRONG, strict=True):
        told = result.structured_content
        assert result.is_error, (tool, arguments)
        assert said in told["error"], told
        assert 'Traceback (most recent call last):\\u{a}  File "/' not in told["error"]
        assert "failed inside" not in told["error"]
        assert len(result.content[0].text) < 6000
        assert told["mend"] or tool == "submit_finding" or "no record" in told["error"], told
    assert {path.name for path in Batches(home).root.glob("open/*.json")} == before


@pytest.mark.slow
@pytest.mark.parametrize("script", [FORKS, "while True: pass", "x = [0]\nwhile 1: x += x"])
def test_a_script_without_end_dies_in_its_jail(home, port, script):
    async def runs():
        async with client(home, port, "http") as one:
            result = await one.call_tool("submit_finding", claim("torque3", script=script))
            assert result.is_error
            assert "the script" in result.structured_content["error"]
            await asked(one, "search_findings")

    anyio.run(runs)


def test_resources_are_reports_and_nothing_else(home, port):
    uris = [
        "earnest://findings/..%2f..%2fledger.sqlite",
        "earnest://findings/" + "0" * 64,
        "file:///etc/passwd",
        "earnest://tables/x",
    ]

    async def read():
        async with client(home, port, "http") as one:
            for uri in uris:
                with pytest.raises(mcp.MCPError) as told:
                    await one.read_resource(uri)
                assert "sqlite3" not in str(told.value)

    anyio.run(read)


def post(port, body=b"{}", **headers):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.putrequest("POST", "/mcp", skip_host=True)
    plain = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    given = {"host": f"127.0.0.1:{port}", **plain, **headers}
    for name, value in given.items():
        line.putheader(name, value)
    line.putheader("content-length", str(len(body)))
    line.endheaders(body)
    reply = line.getresponse()
    status, text = reply.status, reply.read().decode()
    line.close()
    return status, text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:PORT"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"host": "127.0.0.1:PORT.evil.example"}, 421),
        ({"host": ""}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://127.0.0.1:PORT.evil.example"}, 403),
        ({"origin": "http://127.0.0.1:PORT"}, 400),
        ({"host": "localhost:PORT"}, 400),
    ],
)
def test_another_host_or_origin_is_refused(port, headers, status):
    """An empty object is no message: what gets as far as the protocol is told so, with a 400."""
    given = {name: value.replace("PORT", str(port)) for name, value in headers.items()}
    assert post(port, **given)[0] == status


def test_a_body_that_is_too_large_is_refused(port):
    assert post(port, b" " * (MOST_BYTES + 1))[0] == 413


def through(guard, *headers):
    """What a guard answers: a status, or 0 where it lets a request through."""
    sent = []

    async def send(message):
        sent.append(message)

    async def run():
        await guard({"type": "http", "headers": list(headers)}, None, send)

    anyio.run(run)
    return sent[0]["status"] if sent else 0


def test_a_token_is_asked_for_where_there_is_one():
    async def app(scope, receive, send):
        pass

    host = (b"host", b"127.0.0.1:80")
    guard = Guard(app, 80, "a-token-of-some-length")
    right = (b"authorization", b"Bearer a-token-of-some-length")
    assert through(guard, host, right) == 0
    assert through(guard, host) == 401
    for wrong in (b"Bearer a-token", b"Basic a-token-of-some-length", b"Bearer", b""):
        assert through(guard, host, (b"authorization", wrong)) == 401
    assert through(guard, host, right, right) == 401
    assert through(guard, right) == 421
    assert through(guard, host, host, right) == 421
    assert through(Guard(app, 80, ""), host) == 0


@pytest.mark.slow
def test_a_client_with_the_token_gets_in_and_it_is_never_said(home, tmp_path):
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    token, heard = "t" * 40, []
    with over_http(home, heard=heard, EARNEST_MCP_TOKEN=token) as port:
        assert post(port)[0] == 401
        assert post(port, authorization=f"Bearer {token}x")[0] == 401

        async def look():
            bearer = {"authorization": f"Bearer {token}"}
            async with httpx2.AsyncClient(headers=bearer) as sender:
                line = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=sender)
                async with mcp.Client(line) as one:
                    return await asked(one, "tables")

        assert anyio.run(look)["tables"]
    assert len(heard) == 2
    assert "(a token is asked for)" in heard[0]
    assert "ttt" not in "".join(heard)


def test_who_may_ask_is_said_where_no_token_is(home):
    heard = []
    with over_http(home, heard=heard, EARNEST_MCP_TOKEN=""):
        pass
    assert "any account of this machine may ask" in heard[0]


def test_a_connection_of_an_older_protocol_is_a_session(home, port):
    async def submits():
        url = f"http://127.0.0.1:{port}/mcp"
        async with mcp.Client(url, mode="legacy") as one, mcp.Client(url, mode="legacy") as two:
            return [
                await asked(each, "submit_finding", **claim(column))
                for each, column in ((one, "torque4"), (one, "torque5"), (two, "torque4"))
            ]

    first, second, other = anyio.run(submits)
    assert first["session"] == second["session"] != other["session"]
    assert first["id"] != other["id"]


def said(home, lines, most_s=60):
    """What a server answers on standard output, until the last line's answer; how it ended."""
    with subprocess.Popen(
        command(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as server:
        server.stdin.write(b"\n".join(lines) + b"\n")
        server.stdin.flush()
        answers, last = [], json.loads(lines[-1])["id"]
        while not answers or answers[-1].get("id") != last:
            answers.append(json.loads(server.stdout.readline()))
        rest, stderr = server.communicate(timeout=most_s)
        answers += [json.loads(line) for line in rest.splitlines()]
        return server.returncode, answers, stderr


def message(number, method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "t", "version": "1"},
}


def test_on_standard_output_there_is_nothing_but_protocol(home):
    lines = [
        message(1, "initialize", **HELLO),
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b"this is no JSON",
        b"[" * 100_000,
        b'"' + b"x" * (2 * MOST_BYTES) + b'"',
        b"\xff\xfe\x00",
        message(2, "tools/call", name="tables", arguments={}),
        message(3, "tools/call", name="nope", arguments={}),
        message(4, "no/method"),
        message(5, "tools/call", name="search_findings", arguments={}),
    ]
    status, answers, stderr = said(home, lines)
    assert status == 0
    told = {one.get("id"): one for one in answers}
    assert all(one["jsonrpc"] == "2.0" for one in answers)
    assert told[1]["result"]["serverInfo"]["name"] == "earnest"
    assert not told[2]["result"]["isError"]
    assert told[3]["result"]["isError"]
    assert told[4]["error"]["code"] == -32601
    assert b"Traceback" not in stderr


def test_ctrl_c_ends_it_at_once(home):
    with subprocess.Popen(
        command(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as server:
        server.stdin.write(message(1, "ping") + b"\n")
        server.stdin.flush()
        server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 130
        assert server.stderr.read().decode().startswith("earnest: interrupted")


def of_home(home):
    """The processes that have this home in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(home.root).encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def hears(stream, wanted, most_s=120):
    """Wait until a stream has said something, not for ever; return all that it said."""
    said, until = b"", time.monotonic() + most_s
    while wanted not in said and time.monotonic() < until:
        if select.select([stream], [], [], 1)[0]:
            part = os.read(stream.fileno(), 1 << 16)
            said += part
            if not part:
                break
    return said


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ctrl-c", "end of input"])
def test_it_ends_at_once_while_a_script_runs(tmp_path, how):
    own = home_at(tmp_path / "home")
    frame = pd.DataFrame({"weight": range(100), "torque0": range(100)}).astype(str)
    Registry(own).seal_frame(frame, "engines", design="iid")
    lines = [
        message(1, "initialize", **HELLO),
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        message(2, "tools/call", name="submit_finding", arguments=claim(script="while True: pass")),
    ]
    with subprocess.Popen(
        command(own),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as server:
        try:
            server.stdin.write(b"\n".join(lines) + b"\n")
            server.stdin.flush()
            assert b"opening the sandbox" in hears(server.stderr, b"opening the sandbox")
            time.sleep(8)
            if how == "ctrl-c":
                server.send_signal(signal.SIGINT)
            else:
                server.stdin.close()
            # The script has a minute; half of one is long for ending, on a busy machine too.
            assert server.wait(timeout=30) == (130 if how == "ctrl-c" else 0)
        finally:
            server.kill()
    until = time.monotonic() + 30
    while of_home(own) and time.monotonic() < until:
        time.sleep(0.1)
    assert of_home(own) == []


def test_without_its_package_it_says_what_to_install(home):
    code = (
        "import sys; sys.modules['mcp'] = None; from earnest.cli import main; "
        f"sys.exit(main(['mcp', '--home', {str(home.root)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 3
    assert "pip install 'earnest[mcp]'" in done.stderr


def test_a_principal_has_a_plain_name(home, capsys):
    from earnest.cli import main

    assert main(["mcp", "--principal", "an agent", "--home", str(home.root)]) == 2
    assert "that is no name of a principal" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["", "quite-short", "first-of-two\nline and another one"])
def test_a_token_that_is_none_is_refused_unsaid(home, tmp_path, token, capsys):
    from earnest.cli import main

    file = tmp_path / "token"
    file.write_text(token)
    asked = ["mcp", "--http", "--token-file", str(file), "--home", str(home.root)]
    assert main(asked) == 2
    error = capsys.readouterr().err
    assert "token" in error
    assert not token or token.splitlines()[0] not in error
    missing = [*asked[:3], str(Path(tmp_path, "none")), *asked[4:]]
    assert main(missing) == 2
