"""More time than was given: on processors, and by the clock, by programs that will not end.

Not covered: time that the kernel takes on a program's behalf after its end.
"""

from __future__ import annotations

from typing import Final

from earnest.core.jobs import Limits
from earnest.sandbox.attacks.kit import Attack, Ruling, Seen, Soft, in_time, within

_ANY: Final = ("exit", "signal", "too-much", "timeout")


def _cpu(seen: Seen) -> Ruling:
    limit = seen.attack.limits.cpu_s
    return Ruling(
        soft=(Soft("CPU time of all processes together", limit, round(seen.peak.cpu_s, 2), "s"),)
    )


ATTACKS: Final = (
    Attack(
        "uses_processor_time",
        "resources",
        """
for number in (signal.SIGXCPU, signal.SIGPROF, signal.SIGVTALRM):
    signal.signal(number, signal.SIG_IGN)
control(lambda: True)
print("tried")
while time.process_time() < 4.5: pass
print("BREACH", time.process_time(), "seconds")
""",
        limits=Limits(wall_s=25, cpu_s=1, workspace_mib=8),
        ends=("signal", "timeout", "too-much"),
        judges=(in_time,),
        works=True,
    ),
    Attack(
        "uses_processor_time_in_many_processes",
        "resources",
        """
control(lambda: True)
print("tried")
for _ in range(4):
    if os.fork() == 0:
        while time.process_time() < 1.5: pass
        os._exit(0)
try:
    while True: os.wait()
except ChildProcessError: pass
""",
        limits=Limits(wall_s=4, cpu_s=1, processes=16, workspace_mib=8),
        ends=_ANY,
        judges=(_cpu, in_time),
        alone=True,
    ),
    Attack(
        "is_deaf_to_the_end_of_its_time",
        "resources",
        """
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
control(lambda: True)
print("tried")
over = time.monotonic() + 12
while time.monotonic() < over: time.sleep(0.1)
print("BREACH it had", 12, "seconds")
""",
        limits=Limits(wall_s=1, workspace_mib=8),
        ends=("timeout",),
        judges=(within(5.0),),
        works=True,
    ),
    Attack(
        "stops_instead_of_ending",
        "resources",
        """
control(lambda: True)
print("tried")
if os.fork() == 0:
    time.sleep(10); os.kill(os.getppid(), signal.SIGCONT); os._exit(0)
os.kill(os.getpid(), signal.SIGSTOP)
over = time.monotonic() + 12
while time.monotonic() < over: time.sleep(0.1)
print("BREACH it had its time")
""",
        limits=Limits(wall_s=1, workspace_mib=8),
        ends=("timeout",),
        judges=(within(5.0),),
    ),
    Attack(
        "leaves_others_to_use_its_time",
        "resources",
        """
control(lambda: True)
print("tried")
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        os.execv(sys.executable, ["MARK", "-c", "import time; time.sleep(12)", "MARK"])
time.sleep(12)
print("BREACH it had its time")
""",
        limits=Limits(wall_s=1.5, workspace_mib=8),
        ends=("timeout",),
        judges=(within(5.0),),
    ),
    Attack(
        "keeps_its_streams_open",
        "resources",
        """
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execv(sys.executable, ["MARK", "-c", "import time; time.sleep(12)", "MARK"])
control(lambda: True)
""",
        limits=Limits(wall_s=8, workspace_mib=8),
        judges=(lambda seen: Ruling("it held its caller up" if seen.slowest_s > 7 else ""),),
        works=True,
    ),
)
