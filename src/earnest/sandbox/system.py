"""Which parts of this machine a jail sees: the interpreter, the libraries that it links, tools.

An allow-list of folders. Where a listed folder holds packages of its own (`site-packages`,
`dist-packages`, R's library), those are masked: packages bring example tables along, and a jail
gets its packages from the image.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

IMAGE: Final = "/earnest-jail/image"
_PACKAGES: Final = ("R", "site-packages", "dist-packages")


@dataclass(frozen=True)
class System:
    """What to show. `folders`: read-only, each at its own path. `links`: path to target.

    `masks`: folders within those that must look empty.
    """

    python: str
    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    masks: tuple[str, ...]


def _libraries() -> list[Path]:
    multiarch = sorted(Path("/usr/lib").glob("*-linux-*"))
    real64 = Path("/usr/lib64")
    found = [path for path in multiarch if path.is_dir()]
    if real64.is_dir() and not real64.is_symlink():
        found.append(real64)
    return found if multiarch or real64 in found else [Path("/usr/lib")]


def _interpreter() -> tuple[Path, list[Path]]:
    """Return the interpreter behind any virtual environment, and the folders it needs."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    python = Path(base).resolve()
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    prefix = Path(sys.base_prefix).resolve()
    library = prefix / "lib"
    if prefix == Path("/usr") or not standard.is_relative_to(library):
        return python, [python, standard]
    return python, [python, library]


def _masks(folder: Path) -> list[Path]:
    found = []
    for name in _PACKAGES:
        for pattern in (name, f"*/{name}"):
            found += [path for path in folder.glob(pattern) if path.is_dir()]
    return sorted(path for path in found if not path.is_symlink())


def describe() -> System:
    """Look at this machine."""
    python, own = _interpreter()
    links, folders = [], [Path("/usr/bin"), *_libraries(), *own]
    for name in ("/bin", "/lib", "/lib64"):
        path = Path(name)
        if path.is_symlink():
            links.append((name, str(path.readlink())))
        elif path.is_dir():
            folders.append(path)
    cache = Path("/etc/ld.so.cache")
    folders += [cache] if cache.exists() else []
    top: list[Path] = []
    for folder in sorted(set(folders)):
        if not any(folder.is_relative_to(above) for above in top):
            top.append(folder)
    masks = [str(mask) for folder in top if folder.is_dir() for mask in _masks(folder)]
    return System(os.fspath(python), tuple(map(str, top)), tuple(links), tuple(masks))
