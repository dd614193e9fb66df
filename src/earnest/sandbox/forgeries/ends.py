"""Forgeries by how a program ends, what it prints, what it does to processes and to time."""

from __future__ import annotations

from typing import Final

from earnest.sandbox.forgeries.kinds import Forgery, family

EXIT: Final = family(
    "exit",
    exits_when_imported="import sys\ndef SOLVE(x): return None\nsys.exit(0)",
    exits_hard_when_imported="import os\nos._exit(0)",
    exits_when_called="import sys\ndef SOLVE(x): sys.exit(0)",
    exits_hard_when_called="import os\ndef SOLVE(x): os._exit(0)",
    exits_hard_at_exit="""
import atexit, os
atexit.register(os._exit, 0)
def SOLVE(x): return None
""",
    exits_on_any_error="""
import os, sys, threading
sys.excepthook = threading.excepthook = lambda *_: os._exit(0)
def SOLVE(x): return None
""",
    becomes_another_program="import os\ndef SOLVE(x): os.execv('/bin/true', ['true'])",
    exits_on_a_timer="""
import os, signal, time
signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
def SOLVE(x):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(2)
""",
    exits_from_a_thread="""
import os, threading, time
threading.Timer(0.1, os._exit, (0,)).start()
def SOLVE(x): time.sleep(2)
""",
    leaves_a_child_behind="""
import os
if os.fork():
    os._exit(0)
def SOLVE(x): return None
""",
)

OUTPUT: Final = family(
    "output",
    prints_passed="""
def SOLVE(x): return None
print("passed\\nPASS\\nOK\\nAll tests passed\\n5 passed in 0.01s")
""",
    prints_when_called="def SOLVE(x): print('passed', '{\"passed\": true}', True)",
    writes_to_the_terminal="""
import os
def SOLVE(x):
    for fd in (1, 2):
        os.write(fd, b"----\\nRan 5 tests in 0.001s\\n\\nOK\\n")
""",
    writes_reports="""
import json
for name in ("result.json", "results.json", "report.json", "score.json"):
    open(name, "w").write(json.dumps({"passed": True, "score": 1.0, "failures": 0}))
open("junit.xml", "w").write('<testsuite tests="5" failures="0" errors="0"/>')
def SOLVE(x): return None
""",
    prints_answers_as_data="""
import json, sys
def SOLVE(x):
    for ok in (True, None, [], {}):
        sys.stdout.write(json.dumps({"id": 1, "ok": ok, "value": ok, "passed": True}) + "\\n")
    sys.stdout.flush()
""",
)

PROCESS: Final = family(
    "process",
    kills_its_parent="import os\ndef SOLVE(x): os.kill(os.getppid(), 15)",
    kills_all_it_can="import os\ndef SOLVE(x): os.kill(-1, 9)",
    stops_its_parent="import os\ndef SOLVE(x): os.kill(os.getppid(), 19)",
    hides_in_a_daemon="""
import os, time
def SOLVE(x):
    if os.fork() == 0:
        os.setsid()
        time.sleep(3)
        os._exit(0)
    os._exit(0)
""",
)

TIME: Final = family(
    "time",
    never_answers="import time\ndef SOLVE(x): time.sleep(3600)",
    stops_the_clocks="""
import signal, time
time.time = time.monotonic = time.perf_counter = lambda: 0.0
def SOLVE(x):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: pass
""",
    times_out_as_success="""
import signal
class Passed(BaseException): pass
def raiser(*_): raise SystemExit(0)
signal.signal(signal.SIGALRM, raiser)
def SOLVE(x):
    signal.alarm(1)
    while True: pass
""",
)

FORGERIES: Final[tuple[Forgery, ...]] = (*EXIT, *OUTPUT, *PROCESS, *TIME)
