"""Runs inside the outer jail: takes pickled jobs on standard input, gives pickled outcomes.

Arguments: `root` or `user`, the backend's name, the image. What is planted, and the backend `none`,
are the shipped suite's (`earnest.sandbox.attacks`).
"""

import os
import pickle
import sys
import threading
from pathlib import Path

from earnest.sandbox.attacks.driver import open_backend, settle
from earnest.sandbox.attacks.world import plant


def failed(error):
    return type(error).__name__, str(error), getattr(error, "mend", "")


def main() -> None:
    mode, backend, image = sys.argv[1:]
    settle(mode)
    plant()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lock = threading.Lock()

    def answer(number, job) -> None:
        try:
            outcome = sandbox.run(job)
        except Exception as error:  # noqa: BLE001 - the test sees it
            outcome = failed(error)
        with lock:
            pickle.dump((number, outcome), answers)
            answers.flush()

    try:
        sandbox = open_backend(backend, Path(image))
    except Exception as error:  # noqa: BLE001
        pickle.dump((-1, failed(error)), answers)
        return
    pickle.dump((-1, sandbox.name), answers)
    answers.flush()
    while True:
        try:
            number, job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test itself
        except EOFError:
            return
        threading.Thread(target=answer, args=(number, job)).start()


main()
