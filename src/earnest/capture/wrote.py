"""The files that an agent wrote in a session, as its calls say; not what its programs wrote."""

from __future__ import annotations

import re
from typing import Final

from earnest.capture.acts import changes, commands, heredocs
from earnest.capture.turns import Call

_MOST: Final = 256 << 10
_MOST_FILES: Final = 400
_RUNS: Final = re.compile(
    r"(?:^|[\s;&|(/`'\"])python[\d.]{0,6}\s{1,20}(?:-\S{1,200}\s{1,20}){0,20}([\w./~-]{1,400}\.py)\b"
)
_PYTHON: Final = re.compile(r"\bpython[\d.]{0,6}\s+-\s*<<")
_INLINE: Final = re.compile(r"\bpython[\d.]{0,6}\s+-c\s+(?:'([^']{1,20000})'|\"([^\"]{1,20000})\")")


class Wrote:
    """Takes in calls; tells what the files now hold, as far as it is known."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def take(self, call: Call) -> None:
        """Take in one call."""
        for change in changes(call):
            path = change.path.removeprefix("./")
            if change.gone:
                self.files.pop(path, None)
            elif change.old is None:
                self.files[path] = change.new[:_MOST]
            elif change.old and change.old in self.files.get(path, ""):
                self.files[path] = self.files[path].replace(change.old, change.new, 1)[:_MOST]
            if len(self.files) > _MOST_FILES:
                self.files.pop(next(iter(self.files)))

    def text(self, path: str) -> str:
        """Return what a file holds, named as it was or by its end; empty: unknown."""
        bare = path.removeprefix("./")
        if bare in self.files:
            return self.files[bare]
        ends = [one for one in self.files if one.endswith(f"/{bare}") or bare.endswith(f"/{one}")]
        return self.files[ends[-1]] if len(ends) == 1 else ""

    def script(self, call: Call) -> str:
        """Return the Python that a call runs, where it is known."""
        for name in ("code", "source"):
            if isinstance(call.arguments.get(name), str):
                return str(call.arguments[name])
        for command in commands(call):
            for line, text in heredocs(command)[0]:
                if _PYTHON.search(line):
                    return text
            if told := _INLINE.search(command):
                return told[1] or told[2]
            if told := _RUNS.search(command):
                return self.text(told[1])
        return ""


def follows_contract(script: str) -> bool:
    """Say whether a script looks like evidence: it takes `--data` and `--out`."""
    return "--data" in script and "--out" in script
