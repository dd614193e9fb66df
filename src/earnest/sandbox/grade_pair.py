"""Two functions that nobody vouches for, asked the same: each in a jail of its own.

What a function gives is an `Answer`: a value, or an exception's type by name (its text counts for
nothing). Values are compared as in `grade_same`, without a tolerance.

Not covered: what `grade_call` leaves out; an exception of another module with the same name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self

from earnest.core.errors import EarnestError
from earnest.core.protocols import Sandbox
from earnest.sandbox.grade_call import (
    LIMITS,
    CallTimeoutError,
    CandidateError,
    JailedCallable,
    NotDataError,
    ProtocolError,
)
from earnest.sandbox.grade_same import same

_SHOWN: Final = 100
_DIGITS: Final = 600  # bits of an integer that is still written out


@dataclass(frozen=True)
class Answer:
    """What a function gave: a value, the name of an exception, or why its value is no data."""

    how: Literal["value", "raised", "not data"]
    value: Any = None

    def __str__(self) -> str:
        if self.how == "raised":
            return f"raises {self.value[:40]}"
        return f"gives {told(self.value) if self.how == 'value' else 'what is not data'}"


def told(value: Any) -> str:
    """Return a value in a few words."""
    if type(value) is int and value.bit_length() > _DIGITS:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:
        return f"a {type(value).__name__} with very long integers"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."


def agree(one: Answer, other: Answer) -> bool:
    """Say whether two answers are the same; what is no data is like nothing."""
    if one.how != other.how or one.how == "not data":
        return False
    return same(one.value, other.value)


class PairError(EarnestError):
    """One of the two that can't be asked on. `late`: it took too long; its jail is gone."""

    def __init__(self, which: str, what: str, *, late: bool = False) -> None:
        super().__init__(f"the {which} {what}")
        self.late = late


class Pair:
    """A program and its reference, each a source that defines `f`, in two jails.

    Opened by `with`; raises `PairError` where one of them can't be loaded, `SandboxError`.
    """

    def __init__(
        self, sandbox: Sandbox, program: str, reference: str, *, wall_s: float, call_s: float
    ) -> None:
        """`wall_s`: how long both live at most; `call_s`: how long one call may take."""
        limits = replace(LIMITS, wall_s=wall_s)
        self._call_s = call_s
        self._both = {
            which: JailedCallable(sandbox, source, "f", limits, load_s=min(10.0, wall_s))
            for which, source in (("program", program), ("reference", reference))
        }
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            for which, jailed in self._both.items():
                try:
                    opened.enter_context(jailed)
                except CandidateError as error:
                    raise PairError(which, f"can't be loaded: {error.name[:40]}") from error
                except ProtocolError as error:
                    raise PairError(which, f"can't be loaded: {error}") from error
                except CallTimeoutError as error:
                    raise PairError(which, "takes too long to load", late=True) from error
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def ask(self, args: Sequence[Any]) -> tuple[Answer, Answer]:
        """Return the program's answer and the reference's. Raises `PairError`, `SandboxError`."""
        program, reference = (self._asked(which, args) for which in ("program", "reference"))
        return program, reference

    def _asked(self, which: str, args: Sequence[Any]) -> Answer:
        try:
            return Answer("value", self._both[which].call(args, timeout_s=self._call_s))
        except CandidateError as error:
            return Answer("raised", error.name)
        except NotDataError as error:
            return Answer("not data", str(error))
        except ProtocolError as error:
            raise PairError(which, f"left the protocol: {error}") from error
        except CallTimeoutError as error:
            what = f"gave no answer within {self._call_s:g} s"
            raise PairError(which, what, late=True) from error
