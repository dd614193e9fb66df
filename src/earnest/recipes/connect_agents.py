"""What each agent program reads to know of Earnest: which files, and what of ours is in them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import earnest
from earnest.core.errors import UsageError
from earnest.recipes import connect_files as files

AGENTS: Final = ("claude-code", "codex", "cursor")
SCOPES: Final = ("user", "project")
SKILL: Final = Path(__file__).parent / "templates" / "SKILL.md"
HOOK: Final = Path(earnest.__file__).parent / "capture" / "hook.py"
_MARK: Final = "name: earnest\n"

Change = Callable[[str | None, str], str | None]
"""From a file's text (None: no file) and its name for errors to what it is to be."""


@dataclass(frozen=True)
class Settings:
    """Where Earnest is, and where its data are (None: the default), for the agent to start it."""

    python: str = sys.executable
    hook: Path = HOOK
    home: Path | None = None

    def server(self, agent: str, scope: str) -> dict[str, Any]:
        """Return the MCP server's entry, as JSON files have it; a project's names no one's paths.

        The agent is a principal of its own: what it claims is paid from its own error budget.

        There, `earnest` must be on the path of everyone who works in the project.
        """
        if scope == "project":
            return {"command": "earnest", "args": _asked(agent)}
        # -P: an agent starts it in its project's folder, of which nothing is to be imported.
        arguments = ["-P", "-m", "earnest", *_asked(agent)]
        entry: dict[str, Any] = {"command": self.python, "args": arguments}
        if self.home is not None:
            entry["env"] = {"EARNEST_HOME": str(self.home)}
        return entry

    @property
    def command(self) -> str:
        """The hook's command line."""
        home = ["--home", str(self.home)] if self.home is not None else []
        return shlex.join([self.python, "-I", "-S", str(self.hook), *home])


def _asked(agent: str) -> list[str]:
    return ["mcp", "--principal", agent]


def changes(agent: str, scope: str, base: Path, settings: Settings | None) -> dict[Path, Change]:
    """Return what is to be done to each file of an agent.

    `base`: the user's home folder, or the project's; `settings` None takes all of ours out again.
    Raises `UsageError`.
    """
    if agent not in AGENTS:
        raise UsageError(f"no agent {agent!r}", mend=f"choose from {', '.join(AGENTS)}")
    of = {"claude-code": _claude, "codex": _codex, "cursor": _cursor}[agent]
    return of(base, scope, settings)


def _from_environment(name: str, scope: str, otherwise: Path) -> Path:
    given = os.environ.get(name) if scope == "user" else None
    return Path(given).absolute() if given else otherwise


def _claude(base: Path, scope: str, settings: Settings | None) -> dict[Path, Change]:
    folder = _from_environment("CLAUDE_CONFIG_DIR", scope, base / ".claude")
    own = folder / ".claude.json" if folder != base / ".claude" else base / ".claude.json"
    # What names paths of this account goes where Claude Code keeps a user's own settings.
    name = "settings.local.json" if scope == "project" else "settings.json"
    return {
        base / ".mcp.json" if scope == "project" else own: _servers(settings, "claude-code", scope),
        folder / name: _hooks(claude_hooks(settings.command) if settings else None),
        folder / "skills" / "earnest" / "SKILL.md": _skill(settings),
    }


def _codex(base: Path, scope: str, settings: Settings | None) -> dict[Path, Change]:
    folder = _from_environment("CODEX_HOME", scope, base / ".codex")
    lines = _toml(settings.server("codex", scope)) if settings else None
    found: dict[Path, Change] = {
        folder / "config.toml": lambda text, path: files.block(text, lines, path)
    }
    if scope == "user":
        found[folder / "hooks.json"] = _hooks(codex_hooks(settings.command) if settings else None)
    skills = base / ".agents" if scope == "project" else folder
    return {**found, skills / "skills" / "earnest" / "SKILL.md": _skill(settings)}


def _cursor(base: Path, scope: str, settings: Settings | None) -> dict[Path, Change]:
    folder = base / ".cursor"
    found: dict[Path, Change] = {folder / "mcp.json": _servers(settings, "cursor", scope)}
    if scope == "user":
        own = cursor_hooks(settings.command) if settings else None
        found[folder / "hooks.json"] = lambda text, path: files.hooks(text, own, path, version=1)
    return {**found, folder / "skills" / "earnest" / "SKILL.md": _skill(settings)}


_CURSOR: Final = ("stop", "sessionEnd")
_CODEX: Final = ("SessionStart", "Stop", "SubagentStop", "PreCompact")
_CLAUDE: Final = (*_CODEX, "SessionEnd")
_AT_THE_EDGE: Final = ("SessionStart", "SessionEnd")  # an agent that ends kills what is behind it
_IMPORTS: Final = ("SessionStart", "Stop", "SessionEnd", *_CURSOR)


def _entry(command: str, event: str) -> dict[str, Any]:
    """Return the hook's entry; where a turn or a session ends, what was copied is imported."""
    return {"command": f"{command} --import" if event in _IMPORTS else command}


def _group(command: str, event: str, **more: Any) -> dict[str, Any]:
    return {"hooks": [{"type": "command", **_entry(command, event), "timeout": 10, **more}]}


def claude_hooks(command: str) -> dict[str, dict[str, Any]]:
    """Return our hook at the moments at which Claude Code has written something."""
    return {
        name: _group(command, name, **({} if name in _AT_THE_EDGE else {"async": True}))
        for name in _CLAUDE
    }


def codex_hooks(command: str) -> dict[str, dict[str, Any]]:
    """Return our hook at the moments at which Codex has written something."""
    return {name: _group(command, name) for name in _CODEX}


def cursor_hooks(command: str) -> dict[str, dict[str, Any]]:
    """Return our hook at the moments at which Cursor has written something."""
    return {name: _entry(command, name) for name in _CURSOR}


def _servers(settings: Settings | None, agent: str, scope: str) -> Change:
    entry = settings.server(agent, scope) if settings else None
    return lambda text, path: files.servers(text, entry, path)


def _hooks(events: Mapping[str, Mapping[str, Any]] | None) -> Change:
    return lambda text, path: files.hooks(text, events, path)


def _skill(settings: Settings | None) -> Change:
    ours = SKILL.read_text("utf-8") if settings else None
    return lambda text, path: files.whole(text, ours, path, mark=_MARK)


def _toml(server: Mapping[str, Any]) -> str:
    # A JSON string without control characters is a TOML string as well.
    lines = ["[mcp_servers.earnest]", f"command = {json.dumps(server['command'])}"]
    lines.append(f"args = {json.dumps(server['args'])}")
    if "env" in server:
        inner = ", ".join(f"{name} = {json.dumps(value)}" for name, value in server["env"].items())
        lines.append(f"env = {{ {inner} }}")
    return "\n".join(lines)


def plugin(agent: str) -> Mapping[str, str]:
    """Return a plugin's files by their paths: manifest, MCP server, skill, hooks.

    It starts `earnest` by name, which must be on the agent's path. Raises `UsageError`.
    """
    folders = {"claude-code": ".claude-plugin", "codex": ".codex-plugin"}
    if agent not in folders:
        raise UsageError(f"{agent} has no plugins of this form", mend=f"earnest connect {agent}")
    command = (
        'python3 -I -S "${CLAUDE_PLUGIN_ROOT}/hooks/earnest/capture/hook.py" --earnest earnest'
    )
    events = claude_hooks(command) if agent == "claude-code" else codex_hooks(command)
    manifest = {
        "name": "earnest",
        "version": earnest.__version__,
        "description": "What one agent found out, verified, at the hand of every other.",
        "license": "Apache-2.0",
        "keywords": ["verification", "data analysis", "mcp"],
    }
    server = {"mcpServers": {"earnest": {"command": "earnest", "args": _asked(agent)}}}
    return {
        f"{folders[agent]}/plugin.json": _json(manifest),
        ".mcp.json": _json(server),
        "skills/earnest/SKILL.md": SKILL.read_text("utf-8"),
        "hooks/hooks.json": _json({"hooks": {name: [group] for name, group in events.items()}}),
        "hooks/earnest/capture/hook.py": HOOK.read_text("utf-8"),
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def next_steps(agent: str, scope: str) -> list[str]:
    """Return what is left for the user to do."""
    steps = {
        "claude-code": ["start Claude Code anew"],
        "codex": ["start Codex anew, and review the hooks there: /hooks"],
        "cursor": ["start Cursor anew"],
    }[agent]
    if scope == "user":
        return steps
    told = ["whoever works in this project needs `earnest` on the path"]
    if agent != "claude-code":
        told.append(f"sessions are captured where you connect yourself: earnest connect {agent}")
    return ["start the agent anew; it asks once whether the project's server may run", *told]
