"""A program that runs another one under another clock: `python clock.py evidence.py ARGUMENTS`.

It runs in a jail, from its text, and imports nothing of ours. The date is 400 days and some hours
later, the time zone another one, for everything that asks `time`, `datetime` or pandas.

Not covered: what asks the kernel past them (a child process, numpy's `datetime64("now")`, a new
file's date); a clock that only runs on (`monotonic`, `perf_counter`).
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

SHIFT_S = 400 * 86400 + 7 * 3600 + 13 * 60 + 11
ZONE = "XYZ-5:45"


def _shift_time() -> None:
    real, real_ns, clock = time.time, time.time_ns, time.clock_gettime

    def gettime(which: int) -> float:
        return clock(which) + (SHIFT_S if which == time.CLOCK_REALTIME else 0)

    def optional(convert: Any) -> Any:
        return lambda seconds=None: convert(time.time() if seconds is None else seconds)

    strftime = time.strftime

    def formatted(form: str, when: Any = None) -> str:
        return strftime(form, time.localtime() if when is None else when)

    time.time = lambda: real() + SHIFT_S
    time.time_ns = lambda: real_ns() + SHIFT_S * 1_000_000_000
    time.clock_gettime = gettime
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, optional(getattr(time, name)))
    time.strftime = formatted


def _set(kind: type, name: str, function: Any) -> None:
    """Set a class method of a built-in type, which Python itself does not let one do.

    Putting classes of our own in their place would break compiled packages that know the types.
    """
    (inner,) = gc.get_referents(kind.__dict__)
    inner[name] = classmethod(function)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def _shift_datetime() -> None:
    def today(cls: Any) -> Any:
        return cls.fromtimestamp(time.time())

    def now(cls: Any, tz: Any = None) -> Any:
        return cls.fromtimestamp(time.time(), tz)

    def utcnow(cls: Any) -> Any:
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    _set(datetime.date, "today", today)
    _set(datetime.datetime, "now", now)
    _set(datetime.datetime, "utcnow", utcnow)


def _shift_pandas() -> None:
    import pandas

    stamp: Any = pandas.Timestamp
    stamp.now = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))
    stamp.today = stamp.now
    stamp.utcnow = classmethod(lambda cls: cls.fromtimestamp(time.time(), "UTC"))


def shift(*, pandas: bool) -> None:
    """Change the clocks of this process: pandas' too, which takes a while to import."""
    os.environ["TZ"] = ZONE
    time.tzset()
    _shift_time()
    _shift_datetime()
    if pandas:
        _shift_pandas()


def main() -> None:
    """Change the clocks, then become the other program."""
    program = sys.argv[1]
    shift(pandas=b"pandas" in Path(program).read_bytes())
    sys.argv = sys.argv[1:]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
