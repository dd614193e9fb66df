"""`earnest connect` on real files of a made home folder."""

import json
import os
import shlex
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from earnest.cli import main
from earnest.recipes import connect_verbs
from earnest.recipes.connect_agents import AGENTS, SCOPES, Settings

CLAUDE = {
    "numStartups": 3,
    "mcpServers": {"other": {"type": "http", "url": "https://example.org/mcp"}},
    "projects": {"/a": {"allowedTools": ["Bash(ls:*)"], "ünï": "é"}},
}
SETTINGS = {
    "permissions": {"allow": ["Read"]},
    "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "say done"}]}]},
}
CODEX = '# mine\nmodel = "gpt"\n\n[mcp_servers.other]\ncommand = "npx"  # keep\n'
HOOKS = {"version": 1, "hooks": {"stop": [{"command": "./audit.sh"}]}}


def there(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A home folder and project in one, in which agents have settings already."""
    folder = tmp_path / "home"
    for name, text in {
        ".claude.json": json.dumps(CLAUDE, indent=2, ensure_ascii=False),
        ".claude/settings.json": json.dumps(SETTINGS, indent=4) + "\n",
        ".codex/config.toml": CODEX,
        ".cursor/hooks.json": json.dumps(HOOKS, indent=2) + "\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "EARNEST_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder


def told(capsys, *arguments, status=0):
    assert main(["connect", *arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("agent", AGENTS)
def test_it_comes_stays_and_goes(base, capsys, agent, scope):
    before = there(base)
    options = (agent, "--scope", scope)
    shown = told(capsys, *options, "--dry-run")
    assert there(base) == before
    assert shown["written"] is False
    made = told(capsys, *options, "--yes")
    assert [one["diff"] for one in made["files"]] == [one["diff"] for one in shown["files"]]
    after = there(base)
    for one in made["files"]:
        assert one["action"] == (
            "change" if one["path"][len(str(base)) + 1 :] in before else "create"
        )
    again = told(capsys, *options, "--yes")
    assert {one["action"] for one in again["files"]} == {"same"}
    assert (there(base), again["written"]) == (after, False)
    told(capsys, *options, "--remove", "--yes")
    assert there(base) == before


def test_what_claude_code_reads_of_it(base, capsys):
    told(capsys, "claude-code", "--yes", "--home", str(base / "data of mine"))
    config = json.loads((base / ".claude.json").read_text())
    server = config["mcpServers"].pop("earnest")
    assert config == CLAUDE
    assert server["env"] == {"EARNEST_HOME": str(base / "data of mine")}
    assert server["args"] == ["-P", "-m", "earnest", "mcp", "--principal", "claude-code"]
    asked = [server["command"], *server["args"][:3], "--version"]
    assert "earnest" in subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    found = json.loads((base / ".claude/settings.json").read_text())
    assert found["permissions"] == SETTINGS["permissions"]
    assert set(found["hooks"]) == {
        "SessionStart",
        "Stop",
        "SubagentStop",
        "PreCompact",
        "SessionEnd",
    }
    assert found["hooks"]["Stop"][0] == SETTINGS["hooks"]["Stop"][0]
    ours = found["hooks"]["Stop"][1]["hooks"][0]
    assert ours["async"] is True
    words = shlex.split(ours["command"])
    assert words[-3:] == ["--home", str(base / "data of mine"), "--import"]
    assert "--import" not in found["hooks"]["PreCompact"][0]["hooks"][0]["command"]
    event = json.dumps({"transcript_path": str(base / "t.jsonl"), "hook_event_name": "PreCompact"})
    (base / "t.jsonl").write_text('{"type": "user"}\n')
    subprocess.run(words[:-1], input=event, text=True, check=True)
    (copy,) = (base / "data of mine" / "spool").glob("*/*.part")
    assert copy.read_text() == '{"type": "user"}\n'
    assert "async" not in found["hooks"]["SessionEnd"][0]["hooks"][0]


def test_a_project_names_no_ones_paths(base, capsys):
    for agent in AGENTS:
        told(capsys, agent, "--scope", "project", "--yes")
    for name in (".mcp.json", ".codex/config.toml", ".cursor/mcp.json"):
        text = (base / name).read_text()
        assert '"earnest"' in text
        assert str(base.parent) not in text
        assert os.sep + "python" not in text
    server = tomllib.loads((base / ".codex/config.toml").read_text())["mcp_servers"]
    assert server == {
        "other": {"command": "npx"},
        "earnest": {"command": "earnest", "args": ["mcp", "--principal", "codex"]},
    }


def test_other_places_that_agents_are_told_of(base, capsys, monkeypatch):
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(base / "c"))
    monkeypatch.setenv("CODEX_HOME", str(base / "x"))
    told(capsys, "claude-code", "--yes")
    told(capsys, "codex", "--yes")
    assert {".claude.json", "settings.json"} <= {path.name for path in (base / "c").iterdir()}
    assert {"config.toml", "hooks.json"} <= {path.name for path in (base / "x").iterdir()}


def test_nobody_is_asked_where_nobody_is(base, capsys):
    before = there(base)
    assert main(["connect", "codex"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert there(base) == before


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("\n", False), ("", False)])
def test_who_is_there_is_asked(base, capsys, monkeypatch, answer, written):
    class Terminal:
        def isatty(self):
            return True

        def readline(self):
            return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    assert told(capsys, "codex", status=int(not written))["written"] is written
    assert ("earnest" in (base / ".codex/config.toml").read_text()) is written


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (".codex/config.toml", "model = ", "no TOML"),
        (".codex/config.toml", '[mcp_servers.earnest]\ncommand = "x"\n', "not put there"),
        (".codex/hooks.json", "// c\n{}", "no JSON"),
        (".codex/hooks.json", '{"hooks": {"Stop": {}}}', "no list"),
        (".codex/skills/earnest/SKILL.md", "mine", "not ours"),
        (".codex/hooks.json", b"\xff", "can't be read"),
    ],
)
def test_what_can_not_be_changed_safely_stops_all_of_it(base, capsys, name, text, said):
    path = base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = there(base)
    assert main(["connect", "codex", "--yes"]) == 2
    assert said in capsys.readouterr().err
    assert there(base) == before


def test_a_link_stays_a_link_and_a_mode_stays(base, capsys):
    real = base / "dotfiles" / "config.toml"
    real.parent.mkdir()
    (base / ".codex/config.toml").rename(real)
    (base / ".codex/config.toml").symlink_to(real)
    real.chmod(0o600)
    told(capsys, "codex", "--yes")
    assert (base / ".codex/config.toml").is_symlink()
    assert "earnest" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_file_that_changed_meanwhile_is_not_overwritten(base):
    path = base / ".codex/config.toml"
    edit = connect_verbs.Edit(path, CODEX, CODEX + "x = 1\n")
    path.write_text("y = 2\n")
    with pytest.raises(connect_verbs.UsageError, match="meanwhile"):
        connect_verbs.write(edit)
    assert path.read_text() == "y = 2\n"


@pytest.mark.parametrize(("agent", "manifest"), [("claude-code", ".claude"), ("codex", ".codex")])
def test_a_plugin_has_all_its_parts(base, capsys, agent, manifest):
    folder = base / "plugin"
    made = told(capsys, agent, "--plugin", str(folder))
    assert set(made["files"]) == set(there(folder))
    told_ = json.loads((folder / f"{manifest}-plugin" / "plugin.json").read_text())
    assert told_["name"] == "earnest"
    groups = json.loads((folder / "hooks/hooks.json").read_text())["hooks"]
    for event in groups.values():
        command = event[0]["hooks"][0]["command"].replace("${CLAUDE_PLUGIN_ROOT}", str(folder))
        assert Path(shlex.split(command)[3]).is_file()
    assert main(["connect", agent, "--plugin", str(folder)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["connect", "cursor", "--plugin", str(base / "other")]) == 2


@pytest.fixture
def trap(tmp_path):
    """A project in which modules lie that would be run if they were imported."""
    folder, sprung = tmp_path / "project", tmp_path / "sprung"
    folder.mkdir()
    for name in ("json", "argparse", "earnest", "random", "tempfile", "pickle", "pandas"):
        (folder / f"{name}.py").write_text(f"open({str(sprung)!r}, 'a').write(__name__)\n")
    return folder, sprung


def test_a_server_imports_nothing_of_the_project_it_is_started_in(trap):
    folder, sprung = trap
    entry = Settings().server("claude-code", "user")
    command = [entry["command"], *entry["args"], "--help"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "earnest mcp" in done.stdout
    assert not sprung.exists()
    broken = [one for one in command if one != "-P"]
    subprocess.run(broken, cwd=folder, capture_output=True)
    assert sprung.exists()


def test_an_import_that_a_hook_starts_imports_nothing_of_the_project(trap, tmp_path):
    pytest.importorskip("kingfisher_sdk", reason="extra capture is not installed")
    folder, sprung = trap
    home = tmp_path / "data"
    (tmp_path / "t.jsonl").write_text("{}\n")
    event = json.dumps({"transcript_path": str(tmp_path / "t.jsonl")})
    command = [*shlex.split(Settings(home=home).command), "--import"]
    done = subprocess.run(command, cwd=folder, input=event, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    until = time.monotonic() + 180
    while not (home / "captured").exists() and not sprung.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not sprung.exists()
    assert (home / "captured").is_dir()


def test_no_worker_imports_what_lies_where_a_command_is_typed(trap, tmp_path):
    folder, sprung = trap
    rows = "".join(f"{x},{x * x % 7}\n" for x in range(60))
    (folder / "t.csv").write_text(f"x,y\n{rows}")
    entry = tmp_path / "earnest"  # as pip makes it
    entry.write_text("from earnest.cli import main\nif __name__ == '__main__':\n    exit(main())\n")
    command = [sys.executable, str(entry), "seal", "t.csv", "--home", str(tmp_path / "data")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not sprung.exists()


def test_what_is_not_installed_is_said(base, capsys, monkeypatch):
    find = connect_verbs.importlib.util.find_spec
    monkeypatch.setattr(
        connect_verbs.importlib.util,
        "find_spec",
        lambda name, *more: None if name in ("mcp", "kingfisher_sdk") else find(name, *more),
    )
    assert main(["connect", "cursor", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "earnest[mcp]" in said
    assert "earnest[capture]" in said
