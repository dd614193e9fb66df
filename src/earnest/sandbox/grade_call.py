"""Calling a function that nobody vouches for: it runs in a jail, arguments and values are data.

The split protocol. The jail gets the candidate's source, `callee.py` and one line; this process
never runs the candidate. One request at a time goes in, each under a random id of 63 bits, and one
frame comes back (`callee.py` says what they hold). Bytes that nobody asked for, a wrong id, an end
of file, a time-out, a frame over 1 MiB, NaN as a number, a key twice, bytes after the answer: each
ends the jail. What it prints and its exit code count for nothing; clocks are this side's.

Not covered: whether a value is right (`grade.py`). A machine shared with the jail is slower for it:
time limits need room. Bytes that come unasked after the last answer are seen by `quiet` only.
"""

from __future__ import annotations

import functools
import importlib.util
import marshal
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import ChannelClosedError, EarnestError, SandboxError, UsageError
from earnest.core.jobs import Job, Limits
from earnest.core.protocols import Channel, Sandbox
from earnest.sandbox.callee import MOST, GarbledError, UnsayableError, decode, encode, frame, parse
from earnest.sandbox.choose import require_isolation

_CHUNK: Final = 1 << 16
_CALLEE: Final = Path(__file__).with_name("callee.py")
_START: Final = """\
import _frozen_importlib_external as external, marshal
if external.MAGIC_NUMBER == {magic!r}:
    with open("callee.bin", "rb") as file: code = marshal.loads(file.read())
else:
    with open("callee.py") as file: code = compile(file.read(), "callee.py", "exec")
exec(code)
"""
LIMITS: Final = Limits(
    wall_s=120.0, cpu_s=120, memory_mib=1024, workspace_mib=16, output_bytes=4096
)
_LONGEST: Final = 500


class ProtocolError(EarnestError):
    """A candidate whose jail said something that the protocol forbids, or ended. Not passed."""


class CallTimeoutError(EarnestError):
    """A candidate that did not answer in time. Its jail is gone."""


class CandidateError(EarnestError):
    """A candidate's own exception: `name` and `text` are its words; nobody vouches for them."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"the candidate raised {name[:80]!r}")
        self.name, self.text = name, text


class NotDataError(EarnestError):
    """A candidate that returned what the protocol does not carry. It may be called again."""


@functools.cache
def _driver() -> dict[str, bytes]:
    """Return the driver's files: compiled for this interpreter, and its text for any other."""
    source = _CALLEE.read_bytes()
    code = compile(source, "callee.py", "exec", dont_inherit=True)
    start = _START.format(magic=importlib.util.MAGIC_NUMBER).encode()
    return {"start.py": start, "callee.bin": marshal.dumps(code), "callee.py": source}


def _texts(found: Any) -> tuple[str, str]:
    if type(found) is list and len(found) == 2 and all(type(text) is str for text in found):
        return found[0][:_LONGEST], found[1][:_LONGEST]
    raise GarbledError("an exception has a name and a text")


def receive_frame(channel: Channel, timeout_s: float) -> bytes:
    """Return the one frame that has come, without its length.

    Raises `GarbledError` where it is too long or not all, `TimeoutError`, `ChannelClosedError`.
    """
    deadline = time.monotonic() + timeout_s
    data = channel.receive(_CHUNK, timeout_s)
    while data:
        size = int.from_bytes(data[:4], "big") if len(data) >= 4 else MOST
        if size > MOST:
            raise GarbledError("a frame over 1 MiB")
        if len(data) == size + 4:
            return data[4:]
        if len(data) > size + 4:
            raise GarbledError("bytes after the answer")
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        more = channel.receive(_CHUNK, left)
        data = data + more if more else b""
    raise ChannelClosedError("it ended")


class JailedCallable:
    """A function of a candidate's source that runs in a jail and is called from here.

    `source` is text of one module; `name` the function's, with dots for attributes. The jail is
    opened by `with`, and lives for `limits.wall_s` at most. One thread at a time may call.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        source: str,
        name: str,
        limits: Limits = LIMITS,
        *,
        load_s: float = 10.0,
    ) -> None:
        """Check what is asked for. Raises `UsageError`."""
        require_isolation(sandbox, "a grade")
        self._sandbox, self._name, self._load_s = sandbox, name, load_s
        files = {**_driver(), "candidate.py": source.encode(errors="surrogatepass")}
        entry = ("python", "start.py")
        self._job = Job(entry, files=files, limits=limits, pool="verify", collect=False)
        self._channel: Channel | None = None
        self._loaded = False

    def __enter__(self) -> JailedCallable:
        """Start the jail and load the source.

        Raises `SandboxError`, and what `call` raises: `CandidateError` where its loading did.
        """
        self._channel = self._sandbox.open(self._job)
        try:
            self._ask({"load": self._name}, self._load_s)
        except BaseException:
            self.close()
            raise
        self._loaded = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the jail. May be called again. Raises `SandboxError` where it never began."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        try:
            channel.close()
        except SandboxError:
            if not self._loaded:  # later it is the candidate's doing, and its outcome is known
                raise

    def call(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None, timeout_s: float = 5.0
    ) -> Any:
        """Call it with copies of the arguments; return a copy of its value.

        Raises `UsageError` for arguments that are not data, `CandidateError`, `NotDataError`,
        and, after which it can't be called again, `ProtocolError` and `CallTimeoutError`.
        """
        try:
            request = {
                "args": [encode(item) for item in args],
                "kwargs": {name: encode(item) for name, item in kwargs.items()} if kwargs else {},
            }
            return self._ask(request, timeout_s)
        except UnsayableError as error:
            raise UsageError(f"an argument can't be sent: {error}") from None

    def quiet(self) -> None:
        """Raise `ProtocolError` where something came that nobody asked for."""
        if self._channel is None:
            raise ProtocolError("the candidate's jail is gone")
        try:
            said = self._channel.receive(1, 0.0)
        except TimeoutError:
            return
        except SandboxError:
            said = b""
        self.close()
        raise ProtocolError("it spoke unasked" if said else "the candidate's jail ended")

    def _ask(self, content: dict[str, Any], timeout_s: float) -> Any:
        channel = self._channel
        if channel is None:
            raise ProtocolError("the candidate's jail is gone")
        number = secrets.randbits(63)
        content["id"] = number
        data = frame(content)
        try:
            channel.send(data, timeout_s)
            answer = parse(receive_frame(channel, timeout_s))
            return self._read(answer, number)
        except GarbledError as error:
            self.close()
            raise ProtocolError(f"an answer outside the protocol: {error}") from None
        except TimeoutError:
            self.close()
            raise CallTimeoutError(f"no answer within {timeout_s:g} s") from None
        except ChannelClosedError:
            self.close()
            raise ProtocolError("the candidate's jail ended") from None

    @staticmethod
    def _read(answer: dict[str, Any], number: int) -> Any:
        if type(answer.get("id")) is not int or answer["id"] != number or len(answer) != 2:
            raise GarbledError("an answer to nothing that was asked")
        if "ok" in answer:
            return decode(answer["ok"])
        if "raised" in answer:
            raise CandidateError(*_texts(answer["raised"]))
        if type(answer.get("unsayable")) is not str:
            raise GarbledError("no such answer")
        raise NotDataError(f"it returned what is not data: {answer['unsayable'][:_LONGEST]}")
