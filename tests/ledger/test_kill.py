"""`kill -9` at any moment of writing: the audit is clean, the budget right, nothing is lost.

Several processes submit batches, conclude, revise and retract at once, as fast as they can; what
a call has returned is acknowledged on a pipe before the next is made.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import time

import pytest

from earnest.core.records import Allocation, Finding
from earnest.core.sign import KeyFolder
from earnest.ledger.audit import audit
from earnest.ledger.bench_world import RUN, findings, verdict
from earnest.ledger.ledger import Ledger
from tests.ledger.recount import Recount, records

WORKERS = 4
FORK = multiprocessing.get_context("fork")


def work(path, folder, seed, out):
    """Write until killed; one line on `out` for each thing that has been acknowledged."""
    draw = random.Random(seed)

    def acknowledge(*words):
        os.write(out, (" ".join(words) + "\n").encode())

    with Ledger(path, KeyFolder(folder)) as ledger:
        acknowledge("ready", "-")
        while True:
            what = draw.random()
            if what < 0.3:
                run = draw.randrange(12) if what < 0.05 else draw.randrange(10**6)
                batch = list(findings(RUN * run, draw.randrange(1, 12), principals=3))
                ledger.submit(batch, testable=[one.id for one in batch])
                for one in batch:
                    acknowledge("submitted", one.id)
                continue
            queued = ledger.queued()
            if not queued:
                continue
            one = ledger.get(draw.choice(queued), Finding)
            said = verdict(one, draw.randrange(10**9), ledger.alpha(one.id))
            stands = ledger.conclude(said)
            # Another process may have been first, and its verdict revised since.
            acknowledge("concluded" if stands == said else "stood", one.id, stands.id)
            if what > 0.95:
                later = verdict(one, draw.randrange(10**9), None)
                with contextlib.suppress(Exception):
                    made = ledger.revise(later, kind="reopened", why="again")
                    acknowledge("revised", one.id, made.id)
            elif what > 0.9:
                acknowledge("retracted", one.id, ledger.retract(one.id, by="me", why="w").id)
            elif what > 0.85:
                acknowledge("stamped", str(ledger.stamp()))


class Worker:
    """A process that writes, and the end of its pipe."""

    def __init__(self, path, folder, seed):
        self.end, out = os.pipe()
        self.process = FORK.Process(target=work, args=(path, folder, seed, out), daemon=True)
        self.process.start()
        os.close(out)

    def kill(self):
        """Kill it; return what it had acknowledged, by whole lines."""
        assert self.process.is_alive()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        told = b""
        while chunk := os.read(self.end, 1 << 16):
            told += chunk
        os.close(self.end)
        return [line.split() for line in told.decode().split("\n")[:-1]]


def check(path, acknowledged):
    """Everything that was acknowledged is there, once, and the budget is what it should be."""
    count = Recount().follow(path)
    names = [name for _, name, _ in records(path)]
    assert len(names) == len(set(names))
    there = set(names)
    stamped = 0
    for what, *told in acknowledged:
        if what == "concluded":
            assert count.verdicts[told[0]] == told[1]
        if what == "stamped":
            stamped = max(stamped, int(told[0]))
        elif what != "ready":
            assert there.issuperset(told)
    found = audit(path, keys=KeyFolder(path.parent / "verifier"))
    assert found.clean, found.problem
    assert found.stamped >= stamped
    assert found.unsigned == 0
    with Ledger(path) as ledger:
        told = {one["principal"]: one for one in ledger.stats()["principals"]}
    assert {name: one["tests"] for name, one in told.items()} == count.tests
    rejections = dict.fromkeys(count.tests, 0)
    for principal, *_ in count.rejected:
        rejections[principal] += 1
    assert {name: one["rejections"] for name, one in told.items()} == rejections
    return count


def rounds(folder, number, seed):
    """Kill `number` processes, four at a time; return how much they had written."""
    draw, kills, written = random.Random(seed), 0, 0
    base = folder / f"ledger-{seed}-0"
    acknowledged = []
    while kills < number:
        if kills % 20 == 0:  # a ledger of its own for five rounds, begun under fire as well
            base = folder / f"ledger-{seed}-{kills}"
            base.mkdir()
            acknowledged = []
        path = base / "ledger.sqlite"
        workers = [Worker(path, base / "verifier", draw.randrange(10**9)) for _ in range(WORKERS)]
        time.sleep(draw.uniform(0.05, 1.0))
        draw.shuffle(workers)
        for place, worker in enumerate(workers):
            told = worker.kill()
            kills += 1
            written += len(told)
            acknowledged += told
            if place < WORKERS - 1 and path.exists():
                # The others go on writing meanwhile.
                found = audit(path, keys=KeyFolder(base / "verifier"), deep=False)
                assert found.clean, found.problem
            time.sleep(draw.uniform(0, 0.05))
        if path.exists():
            check(path, acknowledged)
        else:
            assert all(one[0] == "ready" for one in acknowledged)
    return kills, written


def test_a_few_kills(tmp_path):
    written, seed, end = 0, 0, time.monotonic() + 120
    while written <= 8 * seed:  # of each kill one is that the writer was ready
        assert time.monotonic() < end, "nothing was written before the kills"
        seed += 1
        kills, more = rounds(tmp_path, 8, seed)
        assert kills == 8
        written += more


@pytest.mark.slow
def test_three_hundred_kills(tmp_path):
    kills, written = rounds(tmp_path, 300, 0)
    print(f"{kills} kills, {written} writes acknowledged")  # noqa: T201 - shown by pytest -s
    assert kills == 300
    assert written > 300


def test_the_recount_can_fail(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        batch = list(findings(0, 5))
        ledger.submit(batch, testable=[one.id for one in batch])
        Recount().follow(path)
        late = next(findings(5, 1))
        ledger.submit([late], testable=[])
        forged = ledger.records(Allocation)[-1].model_copy(update={"finding": late.id})
        with ledger._transaction():
            ledger._append(forged.model_copy(update={"number": 6}))  # with the fifth's alpha
    with pytest.raises(AssertionError):
        Recount().follow(path)
