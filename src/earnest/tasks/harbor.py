"""Harbor task folders, read as exercises without a container.

Of a folder (`task.toml`, `instruction.md`, `environment/`, `tests/`) the workspace is what the
Dockerfile's COPY and ADD lines put into its working directory, and the secure grade is what
`tests/test.sh` says, in a jail: a weak one, since that is the task's own script.

Without docker nothing of the image can be made: RUN lines, base images, other services, files
outside of the working directory and the network are missing. What is, stands in the task's
`unmet`. Not read: tasks of several steps, for Windows, or whose files lie behind links.
"""

from __future__ import annotations

import json
import random
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.records import Task
from earnest.core.testbed import (
    AFFORDANCES,
    TESTS,
    Exercise,
    Function,
    Script,
    Secrets,
    UnusableError,
    workspace_hash,
)

Pair = tuple[Exercise, Secrets]
_MOST_FILES: Final = 2_000
_MOST_BYTES: Final = 16 << 20
_HEAD: Final = re.compile(r"^(<!--.*canary.*-->|#.*canary.*)$", re.IGNORECASE)
_BUILD: Final = ("Dockerfile", "docker-compose.yaml", ".dockerignore")
_KEPT: Final = ("FROM", "WORKDIR", "COPY", "ADD", "CMD", "ENTRYPOINT", "LABEL", "EXPOSE", "ARG")


def _tree(folder: Path) -> dict[str, bytes]:
    """Return a folder's files by their path in it. Raises `UnusableError` for links, and size."""
    found: dict[str, bytes] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise UnusableError(f"a link lies in {folder.name}/")
        if path.is_file():
            size += path.stat().st_size
            if len(found) >= _MOST_FILES or size > _MOST_BYTES:
                raise UnusableError(f"{folder.name}/ is too large to be laid out")
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield (instruction, the rest) of a Dockerfile."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\[ \t]*\n", " ", plain).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def _words(rest: str) -> list[str]:
    try:
        found = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
    except ValueError:
        return []
    return [word for word in map(str, found) if not word.startswith("--")]


def _copied(rest: str, at: PurePosixPath, context: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """Return what one COPY puts where; None where it can't be told."""
    *sources, target = _words(rest) or [""]
    if not sources or "--from" in rest or "<<" in rest:
        return None
    found: dict[str, bytes] = {}
    for source in sources:
        name = PurePosixPath(source.lstrip("/"))
        if ".." in name.parts or any(mark in source for mark in "*?[$"):
            return None
        into = target.endswith(("/", ".")) or len(sources) > 1
        place = at / target
        if str(name) in context:
            found[str(place / name.name if into else place)] = context[str(name)]
            continue
        inner = {
            path: data for path, data in context.items() if PurePosixPath(path).is_relative_to(name)
        }
        if not inner:
            return None
        found |= {
            str(place / PurePosixPath(path).relative_to(name)): data for path, data in inner.items()
        }
    return found


def _workspace(
    context: Mapping[str, bytes], workdir: str
) -> tuple[dict[str, bytes], str, list[str]]:
    """Return the workspace's files, where it lies, and what of the image can't be had."""
    laid: dict[str, bytes] = {}
    unmet: list[str] = []
    at = PurePosixPath("/")
    copied = {name: data for name, data in context.items() if name not in _BUILD}
    for word, rest in _lines(context.get("Dockerfile", b"").decode(errors="replace")):
        if word == "WORKDIR":
            at = at / (_words(rest) or [rest])[0]
        elif word in ("COPY", "ADD"):
            found = _copied(rest, at, copied)
            laid |= found or {}
            unmet += [] if found is not None else [f"{word} {rest}"]
        elif word not in _KEPT:
            unmet.append(f"{word} {rest}")
    home = PurePosixPath(workdir) if workdir else at
    if home == PurePosixPath("/"):
        home = PurePosixPath("/app")
    inside = {
        PurePosixPath(path).relative_to(home).as_posix(): data
        for path, data in laid.items()
        if PurePosixPath(path).is_relative_to(home)
    }
    if len(inside) < len(laid):
        unmet.append(f"{len(laid) - len(inside)} files outside of {home}")
    if "docker-compose.yaml" in context:
        unmet.append("docker-compose.yaml")
    return inside, str(home), [one[:100] for one in unmet]


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads((folder / "task.toml").read_text())
    except (OSError, ValueError) as error:
        raise UnusableError(f"its task.toml can't be read: {str(error)[:100]}") from None
    if found.get("steps"):
        raise UnusableError("it has several steps")
    if _table(found, "environment").get("os", "linux") != "linux":
        raise UnusableError("it is not for Linux")
    return found


def _table(config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a table of a config; an empty one where it isn't there."""
    found: Any = config
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}


def _script(folder: Path, config: Mapping[str, Any], workdir: str) -> Script:
    tests = _tree(folder / "tests")
    if "test.sh" not in tests:
        raise UnusableError("it has no tests/test.sh")
    verifier = _table(config, "verifier")
    apart = verifier.get("environment_mode") == "separate" or "environment" in verifier
    taken = [
        str(one.get("source", "") if isinstance(one, dict) else one)
        for one in config.get("artifacts", ())
    ]
    absolute = tuple(str(PurePosixPath(workdir) / one) for one in taken if one)
    kept = {name: data for name, data in tests.items() if name not in _BUILD}
    return Script(kept, workdir, (*absolute, "/logs/artifacts") if apart else ())


def _instruction(folder: Path) -> str:
    try:
        lines = (folder / "instruction.md").read_text().splitlines()
    except (OSError, ValueError):
        raise UnusableError("it has no instruction.md that can be read") from None
    while lines and (_HEAD.match(lines[0].strip()) or not lines[0].strip()):
        lines.pop(0)
    if not lines:
        raise UnusableError("its instruction is empty")
    return "\n".join(lines)


def _nothing(_: Any) -> Any:
    raise UsageError("a Harbor task is graded by its own tests: it has no reference to ask")


def _from(_: random.Random) -> Any:
    return _nothing(None)


def read_task(folder: Path) -> Pair:
    """Read one task folder. Raises `UnusableError` where no exercise can be made of it."""
    config = _config(folder)
    prompt = _instruction(folder)
    context = _tree(folder / "environment") if (folder / "environment").is_dir() else {}
    image = _table(config, "environment")
    files, home, unmet = _workspace(context, str(image.get("workdir") or ""))
    if image.get("docker_image"):
        unmet.append(f"the image {image['docker_image']}"[:100])
    script = _script(folder, config, home)
    own = _table(config, "metadata", "earnest")
    offers = tuple(name for name in AFFORDANCES if name in own.get("offers", ["tests"]))
    visible = any(name.startswith("tests/") for name in files)
    name = str(_table(config, "task").get("name") or folder.name)
    metadata = {
        "environment": "harbor", "item": name, "twin": str(bool(own.get("twin"))).lower(),
        "workspace": workspace_hash(files), "unmet": "; ".join(unmet),
    }  # fmt: skip
    task = Task(kind="code", prompt=prompt, tables=(), metadata=metadata)
    count = int(own.get("tests", 0))
    ids = tuple(f"{TESTS}::test_{number}" for number in range(1, count + 1))
    function = Function(str(own.get("entry", "solve")), bool(own.get("several")))
    tokens = tuple(map(str, own.get("honeytokens", ())))
    one = Exercise(task, files, offers if visible else (), (), ids, tokens, function)
    solved = folder / "solution" / "solution.py"
    known = solved.read_text() if solved.is_file() and not solved.is_symlink() else ""
    twin = bool(own.get("twin"))
    return one, Secrets(_nothing, _from, (), twin, function, solution=known, script=script)


def read_tasks(folder: Path) -> list[tuple[str, Pair | str]]:
    """Read a task folder, or all in a folder: names, and exercises or why there is none.

    Raises `UsageError` where there is no task.
    """
    inner = sorted(path.parent for path in folder.glob("*/task.toml"))
    folders = [folder] if (folder / "task.toml").is_file() else inner
    if not folders:
        raise UsageError(
            f"no Harbor task lies in {folder}",
            mend="a folder with task.toml, instruction.md, environment/ and tests/test.sh",
        )
    found: list[tuple[str, Pair | str]] = []
    for one in folders:
        try:
            found.append((one.name, read_task(one)))
        except UnusableError as error:
            found.append((one.name, str(error)))
    return found
