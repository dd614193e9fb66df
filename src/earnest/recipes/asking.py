"""A person at the terminal is asked, before a call is made, whether it may be.

Answers: `y` this once, `n` (also an empty line, and the end of the input) no, `a` all acts of these
classes in this sitting, `m` the whole call first. What was typed before the question was there is
thrown away: it answers nothing. What can't be undone, or was cut off, is asked about each time.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TextIO

from earnest.agent.guard import DECISIONS, Question, asked_in_words
from earnest.core.acts import Class
from earnest.core.quoted import plain

Tell = Callable[[Sequence[str]], None]
_NEVER_ALWAYS: Final = ("irreversible", "unknown")


@contextlib.contextmanager
def a_person() -> Iterator[TextIO | None]:
    """Give the line to a person: standard input, else the terminal itself; None: there is none."""
    if sys.stdin is not None and sys.stdin.isatty():
        yield sys.stdin
        return
    try:
        terminal = open("/dev/tty", encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115
    except OSError:
        yield None
        return
    with terminal:
        yield terminal


class Asking:
    """Asks a person, and remembers what they allowed for good. Its calls are an `Ask`."""

    def __init__(self, tell: Tell, prompt: Callable[[str], None]) -> None:
        """`tell` prints lines, `prompt` the start of one that stays open."""
        self.tell, self.prompt = tell, prompt
        self.always: set[Class] = set()

    def __call__(self, question: Question) -> bool:
        """Ask; False where nobody is there."""
        wanted = self._wanted(question)
        if question.why == "permission" and wanted and wanted <= self.always:
            self.tell([f"allowed, as you said: {asked_in_words(question).splitlines()[0]}"])
            return True
        with a_person() as person:
            if person is None:
                first = asked_in_words(question).splitlines()[0]
                self.tell([f"refused, since nobody can be asked (no terminal): {first}"])
                return False
            return self._asked(question, wanted, person)

    @staticmethod
    def _wanted(question: Question) -> set[Class]:
        return {act.kind for act in question.acts if DECISIONS["ask"].get(act.kind) == "ask"}

    def _asked(self, question: Question, wanted: set[Class], person: TextIO) -> bool:
        lasting = question.why == "permission" and not wanted & set(_NEVER_ALWAYS)
        always = f", a = always ({', '.join(sorted(wanted))})" if lasting and wanted else ""
        self.tell(["", *asked_in_words(question).splitlines()])
        forget_typed(person)
        while True:
            self.prompt(f"y = yes, n = no{always}, m = show more [n] ")
            answer = person.readline()
            word = answer.strip().lower()
            if word in ("y", "yes"):
                return True
            if always and word in ("a", "always"):
                self.always |= wanted
                return True
            if word in ("m", "more"):
                self.tell(_whole(question))
                continue
            if not answer.endswith("\n"):
                self.tell([""])  # the input ended: the line is still open
            if word in ("", "n", "no"):
                return False


def _whole(question: Question) -> list[str]:
    """Return a call in full, each line behind a bar."""
    call = json.dumps(dict(question.call.arguments), ensure_ascii=False, indent=2, default=str)
    lines = [f"| {plain(line)}" for line in call.replace("\\n", "\n").splitlines()]
    return [f"{plain(question.call.name)}, in full:", *lines]


def forget_typed(person: TextIO) -> None:
    """Throw away what was typed ahead."""
    import termios

    with contextlib.suppress(OSError, ValueError, termios.error):
        termios.tcflush(person.fileno(), termios.TCIFLUSH)
