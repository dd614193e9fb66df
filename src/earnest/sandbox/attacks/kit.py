"""What an attack is, and how it is judged.

An attack is a hostile program for a jail. What it gets it prints: `BREACH` and what it was, or the
token that was planted outside. It prints `CONTROL` once the same means have got it something that
is permitted, and `tried` when it is through: a jail that refuses everything fails as well. What
lies outside of a program's sight (how long it ran, what it left running, what came back) is
judged by the trusted side, from `Seen`.

Rules for attacks: each ends by itself and takes bounded amounts, also where nothing holds it; none
does harm where it succeeds (a kernel setting is opened, not written; signals are number 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from earnest.core.jobs import Limits, Result
from earnest.core.protocols import Channel

Family = Literal[
    "descriptors",
    "files",
    "leftovers",
    "namespaces",
    "network",
    "privilege",
    "processes",
    "resources",
    "sealed",
    "supervisor",
    "system calls",
]

PRELUDE: Final = """
import ctypes, errno, functools, glob, mmap, os, signal, socket, stat, struct, subprocess, sys, time
print = functools.partial(print, flush=True)
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"

def attempt(name, action):
    try:
        got = action()
    except (OSError, ValueError, MemoryError) as error:
        code = getattr(error, "errno", None)
        print("refused", name, errno.errorcode.get(code, error))
        return
    print("BREACH" if got else "nothing", name, repr(got)[:200] if got else "")

def call(name, x86, arm_number, *arguments):
    number = arm_number if arm else x86
    if number is None:
        return
    def action():
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *arguments)
        if result == -1:
            raise OSError(ctypes.get_errno(), name)
        return True
    attempt(name, action)

def control(action):
    print("CONTROL" if action() else "control failed")

def read(path, most=1 << 16):
    with open(path, "rb") as file:
        return file.read(most)

def others():
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]
"""

PLAIN: Final = Limits(wall_s=30.0, cpu_s=20, memory_mib=1024, workspace_mib=16)


@dataclass(frozen=True)
class Soft:
    """What is limited only loosely, or not at all: the limit asked for and what was reached."""

    what: str
    limit: float
    measured: float
    unit: str


@dataclass(frozen=True)
class Peak:
    """What a job's processes reached together, sampled from outside its jail."""

    processes: int = 0
    memory_mib: float = 0.0
    cpu_s: float = 0.0
    over_s: float = 0.0  # how long their memory was over one process's limit


@dataclass(frozen=True)
class Ruling:
    """What became of an attack. `escaped` and `control` say what went wrong, or are empty."""

    escaped: str = ""
    control: str = ""
    soft: tuple[Soft, ...] = ()


@dataclass(frozen=True)
class Attack:
    """A hostile program, or two.

    `source`: the program; `OUTSIDE` in it becomes a folder of the sandbox's own machine that no
    jail is shown, and `MARK` a word that no other attack has. `then`: a program that looks, in
    later jobs, for what the first left. `works`: it gets what it is after where there is no jail.
    `ends`: the ways in which the job may end. `judges`: what the trusted side looks at, beside what
    was printed. `talk`: speaks to the program by its line; returns what escaped. `needs`: packages
    that the image must have. `files`: given to the first program only. `alone`: nothing else may
    run meanwhile. `shares`: a job runs beside it that has a folder of its own. `sealed`: the first
    program is the verifier's, and sees sealed rows; `then` is an agent's.
    """

    name: str
    family: Family
    source: str
    then: str = ""
    works: bool = False
    limits: Limits = PLAIN
    ends: tuple[str, ...] = ("exit",)
    judges: tuple[Callable[[Seen], Ruling], ...] = ()
    talk: Callable[[Channel], str] | None = None
    needs: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    alone: bool = False
    shares: bool = False
    collect: bool = False
    sealed: bool = False


@dataclass(frozen=True)
class Seen:
    """All that the trusted side knows of an attack when it is over.

    `first`: the attack's own jobs; `last`: those of `then`, else the same. `slowest_s`: the longest
    that one took. `left`: processes that carry the attack's mark and still live.
    """

    attack: Attack
    first: tuple[Result, ...]
    last: tuple[Result, ...]
    token: str
    slowest_s: float
    peak: Peak = Peak()
    left: tuple[str, ...] = ()


def _breach(result: Result, token: str) -> str:
    for line in result.stdout.splitlines():
        if line.startswith("BREACH"):
            return line[:200]
    if token in result.stdout or token in result.stderr:
        return "it printed the planted token"
    return next(
        (
            f"{name!r} holds the token"
            for name, data in result.files.items()
            if token.encode() in data
        ),
        "",
    )


def plain(seen: Seen) -> Ruling:
    """Judge by what the programs printed, how they ended, and what they left running."""
    every = (*seen.first, *seen.last)
    breach = next((why for result in every if (why := _breach(result, seen.token))), "")
    ends = [result.ended for result in seen.first if result.ended not in seen.attack.ends]
    if not breach and seen.left:
        breach = f"still running: {', '.join(seen.left)}"
    control = ""
    for result in every:
        if "\ntried\n" not in f"\n{result.stdout}":
            control = f"it did not get through ({result.ended}): {result.stderr.strip()[-300:]}"
    if not any("\nCONTROL\n" in f"\n{result.stdout}" for result in seen.last):
        control = control or f"what is permitted failed: {seen.last[-1].stdout.strip()[-300:]}"
    if ends and not control and not breach:
        breach = f"it ended by {ends[0]}, not {' or '.join(seen.attack.ends)}"
    return Ruling(breach, control)


def within(seconds: float) -> Callable[[Seen], Ruling]:
    """Return a judge: the job must be over this many seconds after its wall clock's limit."""

    def judge(seen: Seen) -> Ruling:
        late = seen.slowest_s - seen.attack.limits.wall_s
        if late > seconds:
            return Ruling(f"it ran {late:.1f} s beyond its limit")
        return Ruling(soft=(Soft("time to end a job after its limit", 0, round(late, 3), "s"),))

    return judge


def in_time(seen: Seen) -> Ruling:
    """Judge that the job was over before its limit, or at most a few seconds after it."""
    late = seen.slowest_s - seen.attack.limits.wall_s
    return Ruling(f"it ran {late:.1f} s beyond its limit" if late > _LATE_S else "")


_LATE_S: Final = 25.0  # a jail that has been taken over is ended from outside, not at once


def both(seen: Seen) -> Ruling:
    """Give the ruling of `plain` and of the attack's own judges: the first that objects."""
    rulings = [plain(seen), *(judge(seen) for judge in seen.attack.judges)]
    return Ruling(
        next((ruling.escaped for ruling in rulings if ruling.escaped), ""),
        next((ruling.control for ruling in rulings if ruling.control), ""),
        tuple(soft for ruling in rulings for soft in ruling.soft),
    )


def printed(seen: Seen, word: str) -> float | None:
    """Return the largest number that a program printed after a word; None: it printed none."""
    found = [
        float(line.split()[1])
        for result in seen.first
        for line in result.stdout.splitlines()
        if line.startswith(f"{word} ")
    ]
    return max(found, default=None)


def at_most(word: str, most: Callable[[Limits], float]) -> Callable[[Seen], Ruling]:
    """Return a judge: a program may not count more of something than its limits allow."""

    def judge(seen: Seen) -> Ruling:
        count, limit = printed(seen, word), most(seen.attack.limits)
        if count is None:
            return Ruling(control=f"it did not count its {word}")
        return Ruling(f"{word}: {count:g}, limit {limit:g}" if count > limit else "")

    return judge


def program(source: str, outside: str, mark: str) -> bytes:
    """Return a program as bytes, with what it is to know filled in."""
    source = source.replace("OUTSIDE", outside).replace("MARK", mark)
    return f"{PRELUDE}\n{source}\nprint('tried')\n".encode()
