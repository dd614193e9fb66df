"""What the soak runs: honest programs, plain misbehaviour, and the shipped attacks.

Each is run with what it must come to. Nothing here may run outside an outer jail (`outer.py`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from earnest.core.jobs import DATA, Job, Limits, Result
from earnest.sandbox.attacks import all_attacks
from earnest.sandbox.attacks.kit import Attack, Seen, both, program
from earnest.sandbox.attacks.world import World

_SMALL: Final = Limits(wall_s=20.0, cpu_s=10, memory_mib=512, workspace_mib=8, processes=24)
_BRIEF: Final = Limits(wall_s=0.1, cpu_s=5, memory_mib=256, workspace_mib=4, processes=12)
_BRIEF_MEMORY: Final = Limits(wall_s=20.0, memory_mib=64, workspace_mib=4)

Judge = Callable[[Result], str]
"""Returns what is wrong with a result, or nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of program; `weight`: how often it is drawn, of all weights. `make` draws a job."""

    name: str
    hostile: bool
    weight: int
    make: Callable[[random.Random], tuple[Job, Judge]]


@dataclass(frozen=True)
class _Plain:
    """A program of ours. `ends`: how it may end; `out`: a pattern of its whole output."""

    source: str
    out: str = ""
    ends: tuple[str, ...] = ("exit 0",)
    weight: int = 10
    limits: Limits = _SMALL
    collect: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)


_HONEST: Final = {
    "adds": _Plain("print(NUMBER + 1)", r"NEXT\n", weight=380),
    "does nothing": _Plain("pass", weight=200),
    "fails": _Plain("def f(): return 1 // 0\nf()", ends=("exit 1",), weight=40),
    "exits with a code": _Plain(
        "import sys; sys.exit(NUMBER % 100)", ends=("exit CODE",), weight=40
    ),
    "writes a file": _Plain("open('out', 'w').write('NUMBER')", weight=60, collect=True),
    "reads its files": _Plain("print(open('a/b').read())", r"deep\n", files={"a/b": b"deep"}),
    "reads its data": _Plain(f"print(open('{DATA}/visible').read())", r"seen\n", weight=40),
    "starts a thread": _Plain(
        "import threading\nt = threading.Thread(target=print, args=(1,)); t.start(); t.join()",
        r"1\n",
    ),
    "forks": _Plain("import os\nif os.fork() == 0: os._exit(3)\nprint(os.wait()[1])", r"768\n"),
    "uses numpy": _Plain("import numpy; print(numpy.arange(5).sum())", r"10\n", weight=60),
    "shell": _Plain("import os; print(os.system('exit 3'))", r"768\n", weight=3),
}
_ROUGH: Final = {
    "outlives its time": _Plain("while True: pass", ends=("timeout -1",), weight=1, limits=_BRIEF),
    "leaves daemons": _Plain(
        "import os, time\nfor _ in range(3):\n"
        "  if os.fork() == 0: os.setsid(); os.closerange(0, 64); time.sleep(300)\n",
        weight=12,
    ),
    "forks without end": _Plain(
        "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
        ends=("timeout -1",),
        weight=1,
        limits=_BRIEF,
    ),
    "kills all": _Plain("import os\ntry: os.kill(-1, 9)\nexcept OSError: pass", weight=10),
    "closes all": _Plain(
        "import os; os.closerange(0, 1024)", ends=("exit 0", "exit 120"), weight=10
    ),
    "floods": _Plain("import os\nfor _ in range(9): os.write(1, b'x' * 65536)", r"x+", weight=5),
    "writes to every descriptor": _Plain(
        "import os\nfor fd in range(3, 99):\n"
        "  try: os.write(fd, b'E' + bytes(13))\n  except OSError: pass",
        weight=10,
    ),
    "faults": _Plain("import ctypes; ctypes.string_at(0)", ends=("signal 11",), weight=6),
    "takes memory": _Plain(
        "x = []\ntry:\n  while True: x.append(bytearray(8 << 20))\nexcept MemoryError: print('no')",
        r"no\n",
        ends=("exit 0", "too-much -1", "signal 9"),
        weight=4,
        limits=_BRIEF_MEMORY,
    ),
    "leaves odd files": _Plain(
        "import os\nos.symlink('/', 'l'); os.mkfifo('p'); os.mkdir('d'); os.chmod('d', 0)\n"
        "open(b'\\xff', 'w'); os.link('main.py', 'h')",
        weight=6,
        collect=True,
    ),
    "fills the workspace": _Plain(
        "try:\n  for n in range(99999): open(str(n), 'w')\nexcept OSError as e: print(e.errno)",
        r"28\n",
        weight=1,
        limits=Limits(wall_s=20, workspace_files=400, workspace_mib=4),
    ),
    "poisons": _Plain(
        "import builtins, json, os, sys\nbuiltins.POISON = 1; builtins.len = json.dumps = None\n"
        "os.environ['POISON'] = '1'; sys.path.insert(0, '/poison'); os.umask(0o777)",
        weight=10,
    ),
    "finds poison": _Plain(
        "import builtins, json, os, sys\nprint(hasattr(builtins, 'POISON'), len(json.dumps(1)),"
        " 'POISON' in os.environ, '/poison' in sys.path, os.umask(0) == 0o777)",
        r"False 1 False False False\n",
        weight=20,
    ),
}


def _told(result: Result) -> str:
    return f"{result.ended} {result.status}"


def _plain(name: str, plain: _Plain, hostile: bool, world: World) -> Kind:
    def make(draw: random.Random) -> tuple[Job, Judge]:
        number = draw.randrange(1 << 30)
        out = plain.out.replace("NEXT", str(number + 1))
        ends = [end.replace("CODE", str(number % 100)) for end in plain.ends]
        files = {**plain.files, "main.py": plain.source.replace("NUMBER", str(number)).encode()}
        job = Job(
            ("python", "main.py"),
            files=files,
            ro_mounts={DATA: world.visible} if DATA in plain.source else {},
            limits=plain.limits,
            pool=draw.choice(("agent", "agent", "agent", "verify")),
            collect=plain.collect,
        )

        def judge(result: Result) -> str:
            if _told(result) not in ends:
                return f"it ended by {_told(result)}: {result.stderr[-200:]}"
            if result.ended == "exit" and not re.fullmatch(out, result.stdout):
                return f"it printed {result.stdout[:200]!r}"
            if "writes" in name and plain.collect and result.files["out"] != str(number).encode():
                return "its file came back altered"
            return ""

        return job, judge

    return Kind(name, hostile, plain.weight, make)


def _attack(attack: Attack, world: World) -> Kind:
    def make(draw: random.Random) -> tuple[Job, Judge]:
        mark = f"{draw.getrandbits(96):024x}"
        job = Job(
            ("python", "main.py"),
            files={
                **attack.files,
                "main.py": program(attack.source, str(world.outside), mark),
            },
            ro_mounts={DATA: world.visible},
            limits=attack.limits,
            collect=attack.collect,
        )

        def judge(result: Result) -> str:
            ruling = both(Seen(attack, (result,), (result,), world.token, result.wall_s))
            return ruling.escaped or ruling.control

        return job, judge

    return Kind(attack.name, True, 0, make)


def kinds(world: World, image: Path) -> tuple[list[Kind], list[Kind]]:
    """Return our own kinds of programs, and one for each shipped attack that can run beside others.

    Left out are attacks that measure the machine, take two programs, a talk or a sealed folder.
    """
    own = [_plain(name, plain, False, world) for name, plain in _HONEST.items()]
    own += [_plain(name, plain, True, world) for name, plain in _ROUGH.items()]
    attacks = [
        _attack(attack, world)
        for attack in all_attacks()
        if not (attack.alone or attack.then or attack.talk or attack.sealed or attack.shares)
        and attack.family != "resources"
        and all((image / name).is_dir() for name in attack.needs)
    ]
    if not (image / "numpy").is_dir():
        own = [kind for kind in own if kind.name != "uses numpy"]
    return own, attacks
