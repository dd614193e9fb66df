"""Runs inside the outer jail: takes pickled jobs on standard input, gives pickled outcomes.

Arguments: `root` or `user`, the backend's name, the image. The backend `none` runs a job without
any jail of its own: there a hostile program must get what it is after, or it proves nothing.

Planted for hostile programs to find: this process's memory, environment and command line hold a
token, and it listens on a TCP port and an abstract socket.
"""

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from earnest.core.jobs import Job, Result

_UID = 54321
_PORT = 45678


class Unconfined:
    name = "none"

    def run(self, job: Job) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            for name, data in job.files.items():
                text = data.decode()
                for inner, outer in job.ro_mounts.items():
                    text = text.replace(inner, str(outer))
                Path(folder, name).write_text(text)
            python = [sys.executable, *job.entry[1:]]
            environment = {**os.environ, "PYTHONPATH": sys.argv[3]}
            done = subprocess.run(
                python, cwd=folder, capture_output=True, text=True, timeout=60, env=environment
            )
        return Result("exit", done.returncode, done.stdout, done.stderr, {}, 0.0)


def _plant() -> list[socket.socket]:
    found = [socket.create_server(("127.0.0.1", _PORT)), socket.socket(socket.AF_UNIX)]
    found[1].bind("\0earnest-planted")
    found[1].listen()
    return found


def _settle(mode: str) -> None:
    """Mount a /proc that nothing covers (nested jails need one), then be who we are to be."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(0), None):
        raise OSError(ctypes.get_errno(), "mount /proc")
    if mode == "user":
        os.setgroups([])
        os.setresgid(_UID, _UID, _UID)
        os.setresuid(_UID, _UID, _UID)
        libc.prctl(4, 1, 0, 0, 0)  # readable to its own uid again, as a user's programs are


def _open(backend: str, image: Path):
    if backend == "none":
        return Unconfined()
    if backend == "sandlock":
        from earnest.sandbox.sandlock import SandlockSandbox

        return SandlockSandbox(image)
    from earnest.sandbox.bwrap import BwrapSandbox

    return BwrapSandbox(image)


def main() -> None:
    mode, backend, image = sys.argv[1:]
    _settle(mode)
    planted = _plant()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lock = threading.Lock()

    def answer(number, job) -> None:
        try:
            outcome = sandbox.run(job)
        except Exception as error:  # noqa: BLE001 - the test sees it
            outcome = (type(error).__name__, str(error), getattr(error, "mend", ""))
        with lock:
            pickle.dump((number, outcome), answers)
            answers.flush()

    try:
        sandbox = _open(backend, Path(image))
    except Exception as error:  # noqa: BLE001
        pickle.dump((-1, (type(error).__name__, str(error), getattr(error, "mend", ""))), answers)
        return
    pickle.dump((-1, sandbox.name), answers)
    answers.flush()
    while True:
        try:
            number, job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test itself
        except EOFError:
            planted.clear()
            return
        threading.Thread(target=answer, args=(number, job)).start()


main()
