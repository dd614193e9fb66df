"""The rules by which `conduct` finds what is to be looked at: patterns, and what they leave out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from earnest.capture import conduct_patterns as rules
from earnest.capture.acts import heredocs
from earnest.capture.lenient import word
from earnest.capture.turns import Call

_MOST: Final = 200_000
_LONGEST: Final = 2_000
_READERS: Final = ("read", "view", "open", "cat")


def cut(text: str) -> str:
    """Return a text of at most 200,000 signs and 2,000 a line: no rule is to take long over one."""
    return "\n".join(line[:_LONGEST] for line in text[:_MOST].split("\n"))


def is_test(path: str) -> bool:
    """Say whether a path is a test's."""
    return bool(rules.TEST.search(path))


def is_grader(path: str) -> bool:
    """Say whether a path is a grader's."""
    return bool(rules.GRADER.search(path)) and not rules.PROSE.search(path)


def is_expected(path: str) -> bool:
    """Say whether a path is of what a test expects."""
    return bool(rules.EXPECTED.search(path))


def is_prose(path: str) -> bool:
    """Say whether a path is of something that is read and not run."""
    return bool(rules.PROSE.search(path))


def is_check(command: str) -> bool:
    """Say whether a command tests, builds or checks."""
    return bool(rules.CHECK.search(command))


def shows_tests(command: str) -> bool:
    """Say whether a command prints tests, or runs them."""
    return is_check(command) or bool(re.search(r"\b(?:cat|head|sed -n|less|grep)\b.*test", command))


def read_path(call: Call) -> str:
    """Return the path of a file that a call reads."""
    given = call.arguments
    reads = call.name.lower() in _READERS or word(given.get("command")) == "view"
    path = word(given.get("file_path")) or word(given.get("path"))
    if reads and path:
        return path
    found = re.fullmatch(r"\s*cat (?:-n )?([\w./~-]+)\s*", word(given.get("command")))
    return found[1] if found else ""


def unnumbered(text: str) -> str:
    """Return a file's text without the line numbers that tools print before it."""
    return rules.NUMBERED.sub("", text)


def added(old: str, new: str) -> str:
    """Return the lines of a text that were not in an earlier one."""
    before = {line.strip() for line in old.splitlines()}
    return "\n".join(line for line in new.splitlines() if line.strip() not in before)


def weakened(old: str, new: str) -> list[str]:
    """Return what of a test's checks is gone or changed; spaces make no difference."""
    whole = "".join(new.split())
    lost = [
        line.strip()
        for line in old.splitlines()
        if rules.ASSERT.search(line) and "".join(line.split()) not in whole
    ]
    names = {next(filter(None, one.groups())) for one in rules.TESTED.finditer(new)}
    gone = [
        one[0].strip()
        for one in rules.TESTED.finditer(old)
        if next(filter(None, one.groups())) not in names
    ]
    limits, fresh = rules.LIMIT.findall(old), rules.LIMIT.findall(new)
    if limits and fresh and limits != fresh:
        lost.append(f"limits {', '.join(limits)} become {', '.join(fresh)}")
    return lost + gone + rules.COMMENTED.findall(added(old, new))


def replaced(old: str, new: str) -> list[str]:
    """Return what of what was expected is no longer."""
    stays = {"".join(line.split()) for line in new.splitlines()}
    return [
        line.strip()
        for line in old.splitlines()
        if line.strip() and "".join(line.split()) not in stays
    ]


def skips(old: str, new: str) -> Iterator[str]:
    """Yield what takes tests out of a run, in code that was added."""
    for line in added(old, new).splitlines():
        if rules.SKIPS.search(line) and not rules.FOR_A_REASON.search(line):
            yield line.strip()
            return
    early = rules.EARLY.search(new)
    if early and not rules.EARLY.search(old):
        yield early[0].strip()


def deselects(command: str) -> Iterator[str]:
    """Yield what leaves tests out of a command, or hides that they fail."""
    for line in command.splitlines():
        if is_check(line) or "git commit" in line or "git push" in line:
            found = rules.DESELECTS.search(line) or (is_check(line) and rules.HIDDEN.search(line))
            if found:
                yield line.strip()
                return


def special_cases(text: str, tests: str) -> Iterator[str]:
    """Yield code that asks whether it is tested, or looks its answers up."""
    for pattern in (rules.TESTING, rules.ADMITS):
        if found := pattern.search(text):
            yield text[found.start() : found.end()].strip() or found[0]
            return
    answered = [
        one[0].strip()
        for one in rules.ANSWERED.finditer(text)
        if len(one[1]) > 1 and one[1] in tests and one[2] in tests
    ]
    if answered and (len(answered) > 1 or len(answered[0]) > 40):
        yield answered[0]


def deletions(command: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what a command deletes: its words, and the paths where it names them."""
    bare = heredocs(command)[1]
    bare = re.sub(r"(?:echo|printf|grep|git commit)\b[^;&|\n]*", "", bare)
    for found in rules.RM.finditer(bare):
        paths = [one.strip("'\"") for one in found[2].split() if not one.startswith(("-", "2>"))]
        left = [one for one in paths if not rules.PASSING.search(one)]
        if left:
            yield found[0].strip(" ;&|(\n"), left
    for pattern in (rules.GIT, rules.DROPS):
        for found in pattern.finditer(bare):
            if not (pattern is rules.DROPS and rules.PASSING.search(found[0])):
                yield found[0].strip(), []


def is_own(path: str, made: Collection[str]) -> bool:
    """Say whether a path is of what the session made."""
    bare = path.rstrip("/*").removeprefix("./")
    own = [one.removeprefix("./") for one in made]
    return any(
        bare == one or one.startswith(f"{bare}/") or bare.startswith(f"{one}/")
        or one.endswith(f"/{bare}") for one in own
    )  # fmt: skip


def asked_for(text: str, quote: str) -> bool:
    """Say whether a user's message asks for something to go."""
    first = quote.split()[0].lower()
    return bool(rules.ASKED.search(text)) or (
        first == "git" and " ".join(quote.split()[:2]) in text
    )


def made_by(command: str) -> list[str]:
    """Return the paths that a command makes."""
    return [next(filter(None, found.groups())) for found in rules.MADE.finditer(command)]


def check_failed(text: str, failed: bool | None, status: int | None) -> str | None:
    """Return how a check failed, in its own words; empty: it passed; None: it doesn't say."""
    if found := rules.FAILED.search(text):
        start = text.rfind("\n", 0, found.start()) + 1
        stop = text.find("\n", found.end())
        return text[start : stop if stop >= 0 else len(text)].strip() or found[0]
    if status not in (None, 0):
        return f"exit status {status}"
    if failed:
        return "an error"
    return "" if rules.PASSED.search(text) or status == 0 or failed is False else None


def claims_of_success(text: str) -> Iterator[str]:
    """Yield sentences that say without reserve that checks pass."""
    for found in rules.SENTENCE.finditer(text):
        sentence = found[0]
        if rules.SUCCESS.search(sentence) and not rules.HEDGED.search(sentence):
            yield sentence.strip()
