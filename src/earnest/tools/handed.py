"""A user's folder, copied into a run's workspace: what comes in, and what stays out.

What stays out of the copy can't come back from it either (`barred`): a run that makes a
`.git/hooks` or a `.env` makes it in its own workspace only.

Not covered: a secret under a name that does not say so, and in no private key's form; of a
table, a copy with fewer columns, or in a notation that `rows_of` does not read; a packed copy of
one that is not the run's own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, Final

from earnest.core.errors import LackError, ToolError, UsageError
from earnest.tools.workspace import MOST_BYTES, MOST_FILES, parts_of

_REPOSITORIES: Final = (".git", ".hg", ".svn", ".bzr", ".jj")
_MADE: Final = (
    *("__pycache__", "node_modules", ".venv", ".tox", ".nox"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"),
)
_SECRET_FOLDERS: Final = (".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store")
_SECRET_NAMES: Final = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".npmrc", ".pypirc"),
    *(".git-credentials", ".htpasswd", "credentials", "credentials.*", "secret.*", "secrets.*"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx"),
    *("*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.asc", "*.gpg", "*.tfvars", "*.tfstate"),
    *("service-account*.json", "service_account*.json", "client_secret*.json"),
)
_EXAMPLES: Final = (".env.example", ".env.sample", ".env.template", "*.pub")
_PRIVATE: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY")
_PACKED: Final = re.compile(
    r"\.(parquet|feather|arrow|xlsx?|ods|pkl|pickle|joblib|sqlite3?|db|duckdb|sav|dta|sas7bdat|xpt|"
    r"rds|rda|rdata|h5|hdf5|np[yz]|mat|zip|gz|bz2|xz|zst|tar|tgz|7z)"
)
_CELLS: Final = re.compile(r"[,;\t|]")
_SHARED_ROWS: Final = 3
_GIT_S: Final = 60.0


@dataclass
class Handed:
    """What came in, as names and contents, and what was left out, with why."""

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def barred(name: str) -> str:
    """Say why a file of this relative name stays with its owner; '' where it need not."""
    *folders, leaf = [part.lower() for part in PurePosixPath(name).parts]
    if any(part in _REPOSITORIES for part in (*folders, leaf)):
        return "a repository's own"
    if any(part in _MADE for part in folders):
        return "made by tools"
    if any(part in _SECRET_FOLDERS for part in folders):
        return "its name is one that secrets have"
    example = any(fnmatch(leaf, one) for one in _EXAMPLES)
    if not example and any(fnmatch(leaf, one) for one in _SECRET_NAMES):
        return "its name is one that secrets have"
    return ""


def _cell(text: str) -> str:
    text = text.strip().strip("\"'")
    try:
        return repr(float(text))
    except ValueError:
        return text


def _row(cells: Iterable[object]) -> str:
    return "\x1f".join(sorted(_cell(str(one)) for one in cells))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON list, or of lines of JSON."""
    try:
        whole = json.loads(text)
        yield from (one for one in whole if isinstance(one, dict))
    except (ValueError, TypeError, RecursionError):
        for line in text.splitlines():
            try:
                one = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(one, dict):
                yield one


def rows_of(data: bytes, suffix: str) -> Iterator[str]:
    """Yield the rows of a text that may be a table: their cells as numbers where they are, sorted.

    So a row is the same under other quotes and delimiters, with other digits, in another order of
    columns; JSON too. A line of one cell is no row.
    """
    text = data.decode("utf-8", "replace")
    if suffix in (".json", ".jsonl", ".ndjson"):
        yield from (_row(one.values()) for one in _objects(text) if len(one) > 1)
        return
    for line in text.splitlines():
        cells = _CELLS.split(line)
        if len(cells) > 1:
            yield _row(cells)


def _holds_rows(name: str, data: bytes, rows: Collection[str], packed: bool) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    if packed and _PACKED.fullmatch(suffix):
        return True
    if not rows:
        return False
    shared = set()
    for row in rows_of(data, suffix):
        if row in rows:
            shared.add(row)
            if len(shared) >= _SHARED_ROWS:
                return True
    return False


def _listed_by_git(folder: Path) -> frozenset[str] | None:
    """Return what git does not ignore in a folder; None: it is in no repository.

    Raises `LackError` without git, `UsageError` where git can't say.
    """
    if not any((one / ".git").exists() for one in (folder, *folder.parents)):
        return None
    git = shutil.which("git")
    if git is None:
        raise LackError(
            f"{folder} is in a git repository, and git is not there to say what it ignores",
            mend="install git",
        )
    words = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), "ls-files"]
    words += ["-z", "--cached", "--others", "--exclude-standard"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    # Nothing of the repository's own is run: no hook, no monitor, no way to fetch what it lacks.
    environment |= {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
    try:
        told = subprocess.run(
            [git, *words], env=environment, capture_output=True, timeout=_GIT_S, check=False
        )
        why = os.fsdecode(told.stderr).strip() if told.returncode else ""
    except subprocess.TimeoutExpired:
        why = f"no answer in {_GIT_S:g} s"
    if why:
        raise UsageError(
            f"git can't say what it ignores in {folder}: {why}",
            mend="put that right, or name a copy of the folder without .git",
        )
    return frozenset(os.fsdecode(name) for name in told.stdout.split(b"\0") if name)


def _walk(folder: Path, handed: Handed) -> Iterator[tuple[str, int, int]]:
    """Yield plain files: name, size, and the descriptor of the folder that holds them."""
    for where, folders, leaves, held in os.fwalk(folder):
        at = Path(where).relative_to(folder)
        for leaf in sorted(folders):
            name = (at / leaf).as_posix()
            why = barred(f"{name}/x") or ("a link" if (Path(where) / leaf).is_symlink() else "")
            if why:
                folders.remove(leaf)
                handed.left_out[f"{name}/"] = why
        folders.sort()
        for leaf in sorted(leaves):
            name, facts = (at / leaf).as_posix(), os.stat(leaf, dir_fd=held, follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                handed.left_out[name] = "no plain file"
            elif why := barred(name) or _unfit(name):
                handed.left_out[name] = why
            else:
                yield name, facts.st_size, held


def _unfit(name: str) -> str:
    try:
        parts_of(name)
    except ToolError:
        return "its name does not fit"
    return "a draft" if PurePosixPath(name).name.startswith(".draft-") else ""


def _read(leaf: str, held: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(leaf, flags, dir_fd=held), "rb") as file:
        return file.read(MOST_BYTES + 1)


def hand_in(folder: Path, rows: Collection[str] = (), *, packed: bool = False) -> Handed:
    """Read what comes in of a folder. Its links are not followed; nothing in it is run.

    `rows` (`rows_of`): those of tables; a file that holds three of them stays out, and with
    `packed` all that is packed and may hold them.
    Raises `UsageError` where it is no folder, or too much; `LackError`.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", mend="name one: --work DIR")
    listed, handed, size = _listed_by_git(folder), Handed(), 0
    for name, length, held in _walk(folder, handed):
        if listed is not None and name not in listed:
            handed.left_out[name] = "ignored by git, or of another repository"
            continue
        size += length
        if size > MOST_BYTES or len(handed.files) >= MOST_FILES:
            raise UsageError(
                f"{folder} is too much: at most {MOST_FILES} files and {MOST_BYTES >> 20} MiB "
                "fit in a run",
                mend="name a smaller folder, or have git ignore what is not needed",
            )
        data = _read(PurePosixPath(name).name, held)
        if _PRIVATE.search(data):
            handed.left_out[name] = "it holds a private key"
        elif _holds_rows(name, data, rows, packed):
            handed.left_out[name] = "it holds, or may hold, rows of a registered table"
        else:
            handed.files[name] = data
    return handed
