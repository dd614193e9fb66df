"""A hook of an agent's program: copy what is new of a transcript to the spool, and return.

It is run beside an agent that waits for it, so it stands alone (`python -I -S hook.py` will do),
imports a handful of modules, reads nothing that it copies, and prints nothing. Its event comes as
JSON on standard input: `transcript_path`, and of sub-agents `agent_transcript_path`. It ends with
status 0 whatever happens: an agent is never held up by it. What it misses, a sweep finds.

**The spool.** A folder a transcript. `state.json` says up to where its bytes were taken over
(`base`); `G-B.part` holds the bytes of the file's generation G from offset B on. How far a copy
came is its size, so a hook that is killed leaves a shorter copy and nothing wrong. A file that was
cut, or whose beginning is another, is a new generation. Bytes are raw there, for the owner only
(mode 600); the import redacts them and deletes them.

Not covered: a file changed in its middle, with its first 1,024 bytes and those before where the
copy ended as they were, counts as the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
import time

try:  # hashlib loads OpenSSL as well, which takes as long as all the rest
    from _blake2 import blake2b
except ImportError:  # pragma: no cover - an interpreter that is built otherwise
    from hashlib import blake2b

VERSION = 1
_HEAD = 1024
_TAIL = 64
_BLOCK = 1 << 20
_MOST_EVENT = 64 << 20
_MOST = 8 << 20
"""Bytes that one call copies, so that it stays short; a session's end copies all."""
_PATIENCE_S = 0.02
_ENDINGS = (".jsonl", ".json")


def default_home() -> str:
    """Return what `earnest.core.home.default_home` does, without importing it."""
    if named := os.environ.get("EARNEST_HOME"):
        return os.path.abspath(named)
    user = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(user, "Library", "Application Support", "earnest")
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(user, ".local", "share")
    return os.path.join(os.path.abspath(base), "earnest")


def place(home: str, path: str) -> str:
    """Return the spool folder of a transcript."""
    folder, name = os.path.split(os.path.abspath(path))
    real = os.path.join(os.path.realpath(folder), name)
    named = blake2b(os.fsencode(real), digest_size=12).hexdigest()
    return os.path.join(home, "spool", named)


class Lock:
    """A folder's lock, held by one process at a time. Raises `TimeoutError`."""

    def __init__(self, folder: str, patience_s: float) -> None:
        """`patience_s`: how long to wait for whoever holds it."""
        self.descriptor = os.open(
            os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        until = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(self.descriptor)
                    raise TimeoutError(f"{folder} is in use") from None
                time.sleep(0.002)
            else:
                return

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.descriptor)


def read_state(folder: str) -> dict[str, object]:
    """Return a spool folder's state; empty: there is none that can be read."""
    try:
        with open(os.path.join(folder, "state.json"), "rb") as file:
            found = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    sound = isinstance(found, dict) and all(
        isinstance(found.get(name), int) and found[name] >= 0 for name in ("gen", "base")
    )
    return found if sound else {}


def write_state(folder: str, state: dict[str, object], *, sync: bool = False) -> None:
    """Write a spool folder's state: a reader, or a crash, sees the old one or the new."""
    draft = os.path.join(folder, f".state.{os.getpid()}")
    with open(draft, "wb", opener=_private) as file:
        file.write(json.dumps(state).encode())
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.replace(draft, os.path.join(folder, "state.json"))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def part_name(gen: int, base: int) -> str:
    """Return the name of the copy of a generation from an offset on."""
    return f"{gen}-{base}.part"


def mark(data: bytes) -> list[object]:
    """Return what tells bytes from others: how many, and their hash."""
    return [len(data), blake2b(data, digest_size=16).hexdigest()]


def _is_marked(data: bytes, marked: object) -> bool:
    return marked == mark(data)


def _length(marked: object) -> int:
    sound = isinstance(marked, list) and len(marked) == 2 and isinstance(marked[0], int)
    return min(max(marked[0], 0), _HEAD) if sound and isinstance(marked, list) else 0


def _number(state: dict[str, object], name: str) -> int:
    found = state.get(name)
    return found if isinstance(found, int) else 0


def _goes_on(source: int, size: int, state: dict[str, object], copied: int, part: str) -> bool:
    """Say whether a file is the one that was copied before, and has only grown."""
    end = _number(state, "base") + copied
    if size < end:
        return False
    head = state.get("head")
    if not _is_marked(os.pread(source, _length(head), 0), head):
        return False
    if not copied:
        tail = state.get("tail", mark(b""))
        long = _length(tail)
        return end < long or _is_marked(os.pread(source, long, end - long), tail)
    long = min(copied, _TAIL)
    with open(part, "rb") as file:
        file.seek(copied - long)
        return file.read(long) == os.pread(source, long, end - long)


def _copy(source: int, start: int, stop: int, part: str) -> int:
    """Append a file's bytes to a copy; return how many."""
    target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    at = start
    try:
        while at < stop:
            block = os.pread(source, min(_BLOCK, stop - at), at)
            if not block:
                break
            at += os.write(target, block)
    finally:
        os.close(target)
    return at - start


def spool(
    home: str,
    path: str,
    about: dict[str, object],
    *,
    most: int = _MOST,
    patience_s: float = _PATIENCE_S,
) -> int:
    """Copy what is new of a transcript, at most so many bytes; return how many were copied.

    `about`: what is known of it, kept with the copy. Links are not followed, and what is no
    regular file is left. Raises `OSError`.
    """
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            return 0
        folder = place(home, path)
        for one in (home, os.path.dirname(folder), folder):
            os.makedirs(one, mode=0o700, exist_ok=True)
        with Lock(folder, patience_s):
            size = os.fstat(source).st_size  # not before: others may have copied more since
            about = {"path": os.path.abspath(path), **about}
            return _locked(source, size, folder, about, most)
    finally:
        os.close(source)


def _locked(source: int, size: int, folder: str, about: dict[str, object], most: int) -> int:
    state = read_state(folder)
    if not state:
        state = _begun(folder, about, source, size)
    gen, base = _number(state, "gen"), _number(state, "base")
    part = os.path.join(folder, part_name(gen, base))
    copied = os.stat(part).st_size if os.path.exists(part) else 0
    if not _goes_on(source, size, state, copied, part):
        gen, base, copied = gen + 1, 0, 0
        part = os.path.join(folder, part_name(gen, base))
        head = mark(os.pread(source, min(_HEAD, size), 0))
        write_state(
            folder, {**state, **about, "gen": gen, "base": 0, "head": head, "tail": mark(b"")}
        )
    elif _length(state.get("head")) < min(_HEAD, size):
        head = mark(os.pread(source, min(_HEAD, size), 0))
        write_state(folder, {**state, "head": head})
    start = base + copied
    return _copy(source, start, min(size, start + most), part) if size > start else 0


def _begun(folder: str, about: dict[str, object], source: int, size: int) -> dict[str, object]:
    """Make the first state of a folder; after one that was lost, of a generation of its own."""
    used = [
        int(name.split("-")[0])
        for name in os.listdir(folder)
        if name.endswith(".part") and name.split("-")[0].isdigit()
    ]
    state: dict[str, object] = {
        "version": VERSION,
        **about,
        "gen": max(used, default=-1) + 1,
        "base": 0,
        "head": mark(os.pread(source, min(_HEAD, size), 0)),
        "tail": mark(b""),
    }
    write_state(folder, state)
    return state


def transcripts(event: dict[str, object]) -> list[str]:
    """Return the transcripts that an event names, and those of sub-agents beside them."""
    found: list[str] = []
    for name in ("transcript_path", "agent_transcript_path"):
        path = event.get(name)
        if isinstance(path, str) and path.endswith(_ENDINGS) and "\0" not in path:
            found.append(os.path.expanduser(path))
    for path in found[:1]:
        beside = os.path.join(path.rpartition(".")[0], "subagents")
        if os.path.islink(beside) or os.path.islink(os.path.dirname(beside)):
            continue
        try:
            names = sorted(os.listdir(beside))
        except OSError:
            continue
        found += [
            os.path.join(beside, name)
            for name in names
            if name.startswith("agent-") and name.endswith(".jsonl")
        ]
    return list(dict.fromkeys(found))


def take(data: bytes, home: str) -> int:
    """Do what an event asks for; return how many bytes were copied."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return 0
    if not isinstance(event, dict):
        return 0
    about: dict[str, object] = {
        name: event[name][:4096]
        for name in ("session_id", "cwd")
        if isinstance(event.get(name), str)
    }
    ends = event.get("hook_event_name") == "SessionEnd"
    copied = 0
    for path in transcripts(event):
        try:
            copied += spool(
                home,
                path,
                about,
                most=1 << 62 if ends else max(0, _MOST - copied),
                patience_s=0.3 if ends else _PATIENCE_S,
            )
        except (OSError, ValueError):
            continue
    return copied


def import_later(home: str, earnest: str = "") -> None:
    """Start an import of what is spooled, in a session of its own that outlives the agent's.

    `earnest`: the command, on the path; empty: this interpreter's package.
    """
    nowhere = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    # An agent's project may not be its user's own: nothing is imported from that folder.
    command = [earnest] if earnest else [sys.executable, "-P", "-m", "earnest"]
    command += ["capture", "--spooled", "--home", home]
    os.posix_spawnp(command[0], command, os.environ, file_actions=nowhere, setsid=True)


def _after(name: str, arguments: list[str]) -> str:
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else ""


def main(arguments: list[str]) -> int:
    """Run the hook: `[--import] [--home DIR] [--earnest COMMAND]`. Always returns 0.

    The event comes on standard input.
    """
    try:
        given = _after("--home", arguments)
        home = os.path.abspath(given) if given else default_home()
        take(sys.stdin.buffer.read(_MOST_EVENT), home)
        if "--import" in arguments:
            import_later(home, _after("--earnest", arguments))
    except Exception:  # noqa: BLE001, S110 - an agent is never held up, and prints nothing of ours
        pass
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
