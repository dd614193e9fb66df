"""Ctrl-C at any moment, without losing what was done: it strikes only where nothing is lost by it.

While a model or a tool works (`soft`), an interrupt ends that at once, as it always does. While
the loop itself works (`held`), between a tool's return and the line in the log above all, it is
kept, and sent again a moment later, until it finds something that it may cut off, or the loop at a
place where it may stop (`due`).

Python runs signal handlers in the main thread between two bytecodes, and hands them the frame that
they cut into; so which of the two stands nearest below it on the stack is known for certain.

Not covered: a process in which SIGINT has a handler of someone else's, or is ignored: nothing is
changed there. An interrupt in the last bytecodes of a tool itself leaves a call without a
recorded outcome, as a kill does.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, ParamSpec, TypeVar

_AGAIN_S: Final = 0.02
P = ParamSpec("P")
T = TypeVar("T")


class _State:
    depth = 0  # how many loops are on the main thread's stack: a sub-agent's is inside its parent's
    came = False
    told = False
    leaving = False
    timer: threading.Timer | None = None


def soft(do: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do what an interrupt may cut off."""
    return do(*given, **named)


def held(do: Callable[[], T]) -> T:
    """Do what an interrupt may cut off only inside `soft`. One that nobody looked for is raised."""
    ours = _main() and signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _strike)
    if not ours:
        return do()
    signal.signal(signal.SIGINT, _strike)
    _State.depth += 1
    try:
        return do()
    finally:
        _State.depth -= 1
        if _State.depth == 0:
            _leave()


def _leave() -> None:
    _State.leaving = True  # from here on none is sent again
    if _State.timer is not None:
        _State.timer.cancel()
        _State.timer.join()
    time.sleep(0)  # one that was sent just now is taken here, and not by whoever comes next
    missed = _State.came and not _State.told
    _State.came, _State.told, _State.leaving, _State.timer = False, False, False, None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if missed:
        raise KeyboardInterrupt


def guarded() -> bool:
    """Say whether interrupts are held back here, so that none can have struck in a write."""
    return _main() and _State.depth > 0


def due() -> bool:
    """Say whether an interrupt came, and the loop is to stop."""
    _State.told = _State.told or _State.came
    return _State.came and guarded()


def _main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _strike(number: int, frame: FrameType | None) -> Any:
    _State.came = True
    if _cuts_into_soft(frame):
        _State.told = True
        raise KeyboardInterrupt
    if not _State.leaving and (_State.timer is None or not _State.timer.is_alive()):
        _State.timer = threading.Timer(_AGAIN_S, _send, (number,))
        _State.timer.daemon = True
        _State.timer.start()


def _cuts_into_soft(frame: FrameType | None) -> bool:
    """Whether an interrupt at this frame cuts into what `soft` is doing, and not into `soft`."""
    below = frame.f_back if frame else None
    while below is not None and below.f_code is not held.__code__:
        if below.f_code is soft.__code__:
            return True
        below = below.f_back
    return False


def _send(number: int) -> None:
    if _State.depth:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
