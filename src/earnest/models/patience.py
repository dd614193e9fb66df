"""Asking a server again: only where that may help, after a pause, a bounded number of times.

Worth it: no connection, no answer in time, an answer that breaks off, 408, 409, 429 and 5xx (529
is "overloaded"), unless the server itself says otherwise. Not worth it: everything else, a quota
that is used up, and a pause that the server asks for and nobody would wait. Fields of a request
that a server refuses by name are left out from then on (`Fields`). Ctrl-C ends a pause at once.
Not covered: the tokens of an answer that broke off, where the server did not say.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from earnest.core.errors import ModelError, TooLongError
from earnest.core.protocols import Heard

MOST_WAIT_S: Final = 60.0
MOST_ANSWER: Final = 4 * 2**20
"""Characters of one answer: a stream that goes on beyond is no answer."""
_FIRST_S, _LONGEST_S = 0.5, 8.0
_RETRYABLE: Final = frozenset({408, 409, 429})
_FINAL: Final = ("insufficient_quota", "billing_not_active", "invalid_request_error")
_TOO_LONG: Final = (
    "context length", "context_length", "context window", "prompt is too long", "maximum context",
    "too many tokens", "exceeds the available context",
)  # fmt: skip
T = TypeVar("T")


class Broken(Exception):  # noqa: N818 (it is no error of ours)
    """An answer that broke off midway."""


class Refused(Exception):  # noqa: N818
    """A server's refusal: its status, what it says, a code, its headers."""

    def __init__(self, status: int, says: str, code: str, headers: Mapping[str, str]) -> None:
        super().__init__(says)
        self.status, self.says, self.code, self.headers = status, says, code, headers

    @property
    def wait_s(self) -> float | None:
        """How long the server asks to be left alone, in seconds; None: it doesn't say."""
        for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
            try:
                return max(0.0, float(self.headers[name]) * unit)
            except (KeyError, ValueError):
                continue
        return None

    @property
    def may_pass(self) -> bool:
        """Whether the same request may pass later."""
        said = self.headers.get("x-should-retry")
        if said in ("true", "false"):
            return said == "true"
        if self.code in _FINAL or (self.wait_s or 0.0) > MOST_WAIT_S:
            return False
        return self.status in _RETRYABLE or self.status >= 500

    @property
    def too_long(self) -> bool:
        """Whether the conversation is longer than the model takes."""
        says = f"{self.code} {self.says}".lower()
        return self.status in (400, 413, 422, 500) and any(text in says for text in _TOO_LONG)


class Fields:
    """The optional fields of a request that one server turned out not to take."""

    def __init__(self, optional: Mapping[str, str]) -> None:
        """`optional`: each field that may be left out, and the field to say it with instead."""
        self._optional, self.without = optional, set[str]()

    def fit(self, body: MutableMapping[str, Any]) -> None:
        """Leave out of a request what the server doesn't take."""
        for name in self.without & body.keys():
            value = body.pop(name)
            if instead := self._optional[name]:
                body[instead] = value

    def learn(self, refused: Refused, sent: Mapping[str, Any]) -> bool:
        """Take in a refusal; say whether it names a field that can be left out from now on.

        Each field is left out once, so a server is asked again as often as there are fields.
        """
        if refused.status not in (400, 422) or refused.too_long:
            return False
        says = f"{refused.says} {refused.code}"
        words = set(re.findall(r"\w+", says))
        new = {name for name in self._optional if name in words and name in sent} - self.without
        self.without |= new
        return bool(new)


class Listener:
    """Passes on what is heard, and remembers whether anything was."""

    def __init__(self, heard: Heard | None) -> None:
        self._heard, self.said = heard, False

    def __call__(self, text: str) -> None:
        """Pass text on."""
        if self._heard is not None and text:
            self.said = True
            self._heard(text)

    def anew(self, why: str) -> None:
        """Say that what was heard so far is void."""
        if self._heard is not None and self.said:
            self._heard(f"\n[{why}: the answer begins anew]\n")
            self.said = False


def patiently(name: str, retries: int, listener: Listener, ask: Callable[[], T]) -> T:
    """Return what `ask` gives, asked again at most `retries` times where that may help.

    `ask` raises `Refused`, `Broken`, `TimeoutError` or `ConnectionError`. Raises `ModelError`.
    """
    for attempt in range(retries + 1):
        try:
            return ask()
        except Refused as refused:
            if attempt == retries or not refused.may_pass or refused.too_long:
                raise
            why, wait = f"{name} answered {refused.status}", refused.wait_s
        except Broken as error:
            if attempt == retries:
                raise ModelError(
                    f"{name}: the answer broke off, {retries + 1} tries: {error}",
                    mend="try later, or ask for shorter answers",
                ) from error
            why, wait = f"{name} broke off", None
        except (TimeoutError, ConnectionError):
            if attempt == retries:
                raise
            why, wait = f"{name} can't be reached", None
        listener.anew(why)
        pause = min(_LONGEST_S, _FIRST_S * 2**attempt) * random.uniform(0.75, 1.0)  # noqa: S311
        time.sleep(pause if wait is None else wait)
    raise AssertionError  # the last attempt returned or raised


@contextmanager
def told(name: str, tries: int, timeout_s: float, mends: Mapping[int, str]) -> Iterator[None]:
    """Turn what a server did at last into `ModelError`, with what would put it right."""
    try:
        yield
    except Refused as refused:
        kind = TooLongError if refused.too_long else ModelError
        mend = mends.get(refused.status, "see the server's message")
        if refused.too_long:
            mend = "a shorter conversation, or a model that takes more"
        says = f"{name} answered {refused.status}: {refused.says[:300]}"
        if (wait := refused.wait_s) is not None and wait > MOST_WAIT_S:
            says += f" (it asks to wait {wait:g} s)"
        raise kind(says, mend=mend) from refused
    except TimeoutError as error:
        raise ModelError(
            f"{name}: no answer within {timeout_s:g} s, {tries} tries",
            mend="try later, or allow more time",
        ) from error
    except ConnectionError as error:
        raise ModelError(
            f"{name} can't be reached: {error}",
            mend="check that the server runs, and the base URL",
        ) from error
