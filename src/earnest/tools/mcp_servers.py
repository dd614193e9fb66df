"""Which MCP servers a user configured: the `mcpServers` form that other agents read, too.

`{"mcpServers": {NAME: {"command", "args", "env", "cwd"}}}` starts one; `{"url", "headers"}` names
one at an address. Ours are `trust`, `acts` (classes by tool), `blind` and `timeout_s`. In all of
them `${VARIABLE}` and `${VARIABLE:-default}` are taken from the environment, so that keys need not
stand in the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from earnest.core.acts import CLASSES, Class
from earnest.core.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*")
_LONGEST_NAME: Final = 24
_LONGEST: Final = 64  # what model services take as a tool's name
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_ADDRESS: Final = re.compile(r"(https?://)(?:[^\s/@'\"]*@)?([^\s/?#'\"]+)[^\s'\"]*")
_TIMEOUT_S: Final = 60.0
_HERE: Final = ("localhost", "::1", "0.0.0.0")  # noqa: S104 (compared with, never listened at)


@dataclass(frozen=True)
class Server:
    """A server: a command, or an address.

    `trust`: what it says of its tools is believed. `acts`: the user's own word on some of them.
    `blind`: the user's word that it can read nothing of this machine that an agent may not.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    trust: bool = False
    acts: Mapping[str, Class] = field(default_factory=dict)
    timeout_s: float = _TIMEOUT_S
    blind: bool = False

    @property
    def may_see(self) -> bool:
        """Whether a call may read sealed rows: it runs here, in no jail, and can be called."""
        called = self.trust or any(kind != "unknown" for kind in self.acts.values())
        host = urlsplit(self.url).hostname or ""
        here = bool(self.command) or host in _HERE or host.startswith("127.")
        return called and here and not self.blind

    @property
    def where(self) -> str:
        """Where it is, as records and people are told: its host, or its command."""
        return hosts_only(self.url) or self.command


def hosts_only(text: str) -> str:
    """Return a text in which no address has more than its host: keys stand in paths, too."""
    return _ADDRESS.sub(r"\1\2", text)


def tool_name(server: str, tool: str) -> str:
    """Return what a tool is called here: `server__tool`, in letters that all models take."""
    return f"{server}__{re.sub(r'[^A-Za-z0-9_-]', '_', tool)}"[:_LONGEST]


def read_servers(path: Path) -> list[Server]:
    """Read a file of servers; none where it is not there. Raises `UsageError`."""
    if not path.exists():
        return []
    try:
        listed = json.loads(path.read_bytes())["mcpServers"]
        entries = dict(listed)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{path} is no list of MCP servers",
            mend='its form: {"mcpServers": {"NAME": {"command": "…", "args": []}}}',
        ) from error
    found = []
    for name, entry in entries.items():
        try:
            found.append(_server(name, entry))
        except (TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"{path}: {name}: {error}") from error
    return found


def _server(name: str, entry: Mapping[str, Any]) -> Server:
    """Return a server from its entry. Raises `ValueError` and its like, for `read_servers`."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(f"a name is 1 to {_LONGEST_NAME} letters, digits, - and single _")
    command, url = _filled(entry.get("command", "")), _filled(entry.get("url", ""))
    if bool(command) == bool(url):
        raise ValueError("give it a command or a url")
    if entry.get("type", "stdio" if command else "http") not in (
        "stdio",
        "http",
        "streamable-http",
    ):
        raise ValueError(f"{entry['type']} is no way to reach a server here: http or stdio")
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("its url is no address: http://… or https://…")
    acts = dict(entry.get("acts", {}))
    for tool, kind in acts.items():
        if kind not in CLASSES:
            raise ValueError(f"acts: {tool}: {kind!r} is no class: {', '.join(CLASSES)}")
    for name_of in ("trust", "blind"):
        if not isinstance(entry.get(name_of, False), bool):
            raise TypeError(f"{name_of} is true or false")
    return Server(
        name=name,
        command=command,
        args=tuple(_filled(one) for one in entry.get("args", [])),
        env={key: _filled(value) for key, value in entry.get("env", {}).items()},
        cwd=_filled(entry.get("cwd", "")),
        url=url,
        headers={key: _filled(value) for key, value in entry.get("headers", {}).items()},
        trust=entry.get("trust", False),
        acts=acts,
        timeout_s=float(entry.get("timeout_s", _TIMEOUT_S)),
        blind=entry.get("blind", False),
    )


def _filled(text: Any) -> str:
    """Return text with what the environment has for its variables. Raises `ValueError`."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")

    def value(found: re.Match[str]) -> str:
        given = os.environ.get(found[1], found[2])
        if given is None:
            raise ValueError(f"the variable {found[1]} is not set")
        return given

    return _VARIABLE.sub(value, text)
