"""The outer jail: unproven sandboxes and hostile programs run in it, never beside the checkout.

It is the shipped one (`earnest.sandbox.outer`), and shows the image and one folder of the test's
own beside. Within it `driver.py` runs the real sandbox on the jobs that a test hands in, as root
where the tests run as root, and as a user.
"""

import os
import pickle
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from earnest.core.errors import EarnestError
from earnest.core.jobs import Job, Limits, Result
from earnest.sandbox.attacks.world import PLANTED
from earnest.sandbox.outer import outer_command

HERE = Path(__file__).parent
TOKEN = f"planted-{secrets.token_hex(16)}"
QUICK = Limits(wall_s=20.0, cpu_s=15)


class Outer:
    """A sandbox within the outer jail. `run` is the real one's, from afar."""

    def __init__(self, mode: str, backend: str, image: Path, shown: list[Path]) -> None:
        python = [sys.executable, "-s", "/tests/driver.py", mode, backend, str(image)]
        self.mode, self.backend = mode, backend
        command = outer_command(
            python,
            folders=[image, *shown],
            binds={"/tests": HERE},
            environment={PLANTED: TOKEN},
        )
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.waiting: dict[int, list] = {}
        self.lock, self.arrived = threading.Lock(), threading.Condition()
        _, self.name = self._next()
        if isinstance(self.name, tuple):
            self.close()
            raise RuntimeError(self.name)
        threading.Thread(target=self._listen, daemon=True).start()

    def _next(self):
        return pickle.load(self.process.stdout)  # noqa: S301 - from driver.py

    def _listen(self) -> None:
        while True:
            try:
                number, outcome = self._next()
            except (EOFError, ValueError):
                return
            with self.arrived:
                self.waiting[number].append(outcome)
                self.arrived.notify_all()

    def run(self, job: Job) -> Result:
        with self.lock:
            number = len(self.waiting)
            self.waiting[number] = []
            pickle.dump((number, job), self.process.stdin)
            self.process.stdin.flush()
        with self.arrived:
            allowed = 40 if self.process.poll() is None else 0
            allowed += job.limits.wall_s if allowed else 0
            if not self.arrived.wait_for(lambda: self.waiting[number], allowed):
                self.process.kill()
                raise AssertionError("the driver is gone")
        outcome = self.waiting[number][0]
        if isinstance(outcome, tuple):
            name, message, mend = outcome
            raise type(name, (EarnestError,), {})(message, mend=mend)
        return outcome

    def python(self, source: str, **job) -> Result:
        job.setdefault("limits", QUICK)
        files = {"main.py": source.encode(), **job.pop("files", {})}
        return self.run(Job(("python", "main.py"), files=files, **job))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def modes() -> list:
    """As whom jails are started: by default as whoever runs the tests."""
    if os.geteuid() != 0:
        return ["user"]
    return ["root", pytest.param("user", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> Path:
    from earnest.sandbox.image import build_image

    folder = tmp_path_factory.mktemp("images")
    folder.chmod(0o755)
    return build_image(folder)


@pytest.fixture(scope="session")
def outside(tmp_path_factory) -> Path:
    """A folder that the sandbox's own process sees; what is in it a jail sees only if mounted."""
    folder = tmp_path_factory.mktemp("outside")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session", params=modes())
def jail(request, image, outside) -> Iterator[Outer]:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    outer = Outer(request.param, "bwrap", image, [outside])
    yield outer
    outer.close()


@pytest.fixture(scope="session")
def unconfined(image, outside) -> Iterator[Outer]:
    """No jail but the outer one, as a user: where a hostile program shows that it works."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    outer = Outer("user", "none", image, [outside])
    yield outer
    outer.close()


@pytest.fixture(scope="session")
def token() -> str:
    return TOKEN
