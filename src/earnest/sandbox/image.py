"""The image: what a jail sees as site-packages.

Made once from the distributions that the running interpreter has, by hard links where the file
system allows. It is an allow-list twice over: only the distributions that `TOP_LEVEL` names and
what they require, and of those only code and the few kinds of file that code needs to work
(`_SUFFIXES`, `_EXACT`). Bundled example tables therefore stay out whatever their format, and so do
test suites with their stored results: a sealed row of a bundled table must not be readable there.

Not covered: a table typed into a module's source stays in the image.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import LackError, SandboxError

TOP_LEVEL: Final = (
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
    "pytest",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "sympy",
)
_RULES: Final = 2  # goes into an image's name: raise it when what is let in changes
_SUFFIXES: Final = frozenset(
    (".py", ".so", ".tpl", ".mplstyle", ".ttf", ".afm", ".css", ".js", ".typed", ".lark")
)
_SHARED: Final = re.compile(r"\.so(\.\d+)*$")
_EXACT: Final = frozenset(
    ("matplotlib/mpl-data/matplotlibrc", "scipy/stats/_sobol_direction_numbers.npz")
)
_METADATA: Final = frozenset(("METADATA", "entry_points.txt"))
_LEFT_OUT: Final = frozenset(
    ("__pycache__", "tests", "test", "sample_data", "descr", "examples", "_examples")
)
_WARM: Final = (
    "import numpy, pandas, pandas.io.formats.style, scipy.stats, scipy.optimize; "
    "import importlib.util as u; "
    "[__import__(n) for n in ('statsmodels.api', 'statsmodels.formula.api', 'sklearn.linear_model',"
    " 'pyarrow.parquet', 'matplotlib.pyplot', 'sympy') if u.find_spec(n.split('.')[0])]"
)


def wanted(path: PurePosixPath) -> bool:
    """Say whether a file of a distribution, named relative to site-packages, is in the image."""
    if path.is_absolute() or ".." in path.parts or _LEFT_OUT.intersection(path.parts[:-1]):
        return False
    if path.parts[0].endswith(".dist-info"):
        return len(path.parts) == 2 and path.name in _METADATA
    if path.parts[:2] == ("tzdata", "zoneinfo") or str(path) in _EXACT:
        return True
    if "datasets" in path.parts[:-1]:
        return path.suffix == ".py"
    return path.suffix in _SUFFIXES or _SHARED.search(path.name) is not None


def _distributions() -> dict[str, importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    names = list(TOP_LEVEL)
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in found[name].requires or ():
            bare, _, marker = requirement.partition(";")
            if "extra" not in marker and (match := re.match(r"[\w.-]+", bare)):
                names.append(match[0])
    return dict(sorted(found.items()))


def _files(distribution: importlib.metadata.Distribution) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield what is wanted of a distribution: where it lies, and its path in the image."""
    if distribution.files is None:
        raise LackError(
            f"{distribution.metadata['Name']} has no list of its files: pip did not install it",
            mend="install earnest into a virtual environment of its own",
        )
    for file in distribution.files:
        inner = PurePosixPath(file.as_posix())
        if not wanted(inner):
            continue
        source = Path(str(file.locate()))
        yield source, inner
        if inner.suffix == ".py":
            cached = Path(importlib.util.cache_from_source(str(source)))
            if cached.exists():
                yield cached, inner.parent / "__pycache__" / cached.name


def _place(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where that can't be done or others couldn't read the link."""
    if source.stat().st_mode & 0o004:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copy2(source, target)
    target.chmod(0o644)


def _folder(path: Path, made: set[Path]) -> None:
    """Make a folder that a jail's uid can enter, whatever the umask."""
    if path in made:
        return
    if not path.exists():
        _folder(path.parent, made)
        path.mkdir()
        path.chmod(0o755)
    made.add(path)


def _fill(folder: Path, found: dict[str, importlib.metadata.Distribution]) -> None:
    made: set[Path] = set()
    _folder(folder, made)
    for distribution in found.values():
        for source, inner in _files(distribution):
            target = folder / inner
            if target.exists():  # two distributions of a namespace may list the same file
                continue
            _folder(target.parent, made)
            with contextlib.suppress(FileNotFoundError):  # listed, but removed since
                _place(source, target)
    if not (folder / "pandas" / "__pycache__").exists():
        _compile(folder)


def _compile(folder: Path) -> None:
    """Let Python cache the bytecode of what programs usually import: uv installs without it."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); {_WARM}"
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        check=False,
        capture_output=True,
        timeout=300,
        env={},
    )


def build_image(images_dir: Path) -> Path:
    """Return the image's folder, made on first use; two processes may try at once.

    `images_dir` holds one folder a combination of versions. Raises `LackError` where a package's
    files can't be told, `SandboxError` where the folder can't be written.
    """
    found = _distributions()
    key = [
        _RULES,
        sys.implementation.cache_tag,
        platform.machine(),
        [f"{name} {distribution.version}" for name, distribution in found.items()],
    ]
    final = images_dir / digest(canonical(key)).removeprefix("sha256:")[:16]
    if final.exists():
        return final / "site-packages"
    draft = images_dir / f".draft-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        images_dir.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o755)
    except OSError as error:
        raise SandboxError(f"can't write the image below {images_dir}: {error}") from error
    parent = os.open(images_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        draft.chmod(0o755)
        _fill(draft / "site-packages", found)
        draft.rename(final)
    except OSError as error:
        if not final.exists():
            raise SandboxError(f"can't write the image {final}: {error}") from error
    finally:
        if draft.exists():
            shutil.rmtree(draft.name, dir_fd=parent)
        os.close(parent)
    return final / "site-packages"
