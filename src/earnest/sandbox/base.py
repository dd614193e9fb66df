"""The Linux image that containers need where this machine's own interpreter can't run in them.

`python -m earnest.sandbox.base` builds it, once for each set of versions: a slim Python of the same
minor version as ours, the packages that `image.py` allows in the versions installed here, and of
those only the files that it allows: sealed rows of a bundled table are not in the image.

Not covered: this fetches from public registries of images and packages, and trusts them. The recipe
was built and its image proven with podman on Linux, from a local base, with packages from a
folder; never from the public base, and never on macOS.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import LackError, SandboxError
from earnest.sandbox.engine import Engine, find_engine, has_image
from earnest.sandbox.image import TOP_LEVEL
from earnest.sandbox.scratch import scratch
from earnest.sandbox.system import IMAGE

PYTHON: Final = "/usr/local/bin/python3"
_BUILD_S: Final = 1800.0
_NEEDED: Final = ("__init__.py", "core", "sandbox")
_FILE: Final = """\
ARG BASE=docker.io/library/python:{minor}-slim
FROM $BASE AS made
RUN {python} -m pip install --no-cache-dir --only-binary=:all: --target /installed \\
    {wanted}
COPY earnest /source/earnest
RUN PYTHONPATH=/source:/installed {python} -c "from pathlib import Path; \\
from earnest.sandbox.image import build_image; \\
build_image(Path('/images')).rename('/packages')"

FROM $BASE
RUN rm -rf /usr/local/lib/python{minor}/site-packages/*
COPY --from=made /packages {image}
RUN mkdir -p /earnest-jail/work /earnest-jail/data && chmod 1777 /earnest-jail/work
"""


def wanted() -> list[str]:
    """Return what the image is to hold, `name==version`: what is installed here."""
    found = []
    for name in TOP_LEVEL:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(f"{name}=={re.sub(r'[+].*', '', version)}")
    return sorted(found)


def containerfile(minor: str, packages: list[str]) -> str:
    """Return the recipe of the image for a Python such as `3.12`."""
    return _FILE.format(minor=minor, python=PYTHON, wanted=" ".join(packages), image=IMAGE)


def _minor() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def tag() -> str:
    """Return what the image for this machine's versions is called."""
    key = digest(canonical([containerfile(_minor(), wanted())])).removeprefix("sha256:")
    return f"localhost/earnest-jail:{key[:16]}"


def require_base(engine: Engine) -> str:
    """Return the image's tag. Raises `LackError` where it is not built."""
    name = tag()
    if not has_image(engine, name):
        raise LackError(
            f"{engine.name} has no image with Python and the packages yet",
            mend=f"{sys.executable} -m earnest.sandbox.base",
        )
    return name


def lay_out(folder: Path) -> None:
    """Write the recipe, and of our package what it needs, into an empty folder."""
    (folder / "Containerfile").write_text(containerfile(_minor(), wanted()))
    package = Path(__file__).parent.parent
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _NEEDED:
        source, target = package / name, folder / "earnest" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copyfile(source, target)


def build(engine: Engine, *, base: str = "") -> str:
    """Build the image; return its tag. Raises `SandboxError`.

    `base` is another image to start from, with Python at the same place.
    """
    name = tag()
    with scratch("earnest-base-") as (folder, _):
        lay_out(folder)
        words = ["build", "--tag", name, "--file", str(folder / "Containerfile")]
        words += ["--build-arg", f"BASE={base}"] if base else []
        try:
            done = subprocess.run(
                engine.command(*words, str(folder)), timeout=_BUILD_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxError(f"{engine.name} build: {error}") from error
    if done.returncode:
        raise SandboxError(f"{engine.name} can't build the image (its own words are above)")
    return name


def main() -> int:
    """Build the image with the engine of this machine; return the exit status."""
    try:
        sys.stdout.write(build(find_engine()) + "\n")
    except (LackError, SandboxError) as error:
        sys.stderr.write(f"{error}\n  to mend it: {error.mend}\n" if error.mend else f"{error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
