"""The closing words of `conclusions*.txt` with their labels, as transcripts of three formats."""

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from earnest.capture import formats
from earnest.capture.pieces import lines
from earnest.capture.turns import Session


@dataclass
class Made:
    """A made session: what was run and printed, what was said, which sentences conclude."""

    form: str
    runs: list[list[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    labels: dict[str, bool] = field(default_factory=dict)

    def session(self) -> Session:
        """Return it, read from bytes of its format."""
        data = "".join(json.dumps(one) + "\n" for one in _LINES[self.form](self)).encode()
        form = "chat-lines" if self.form == "chat" else self.form
        return Session("s", form, source=lambda: formats.turns(form, lines(io.BytesIO(data))))


def read(name):
    """Return the sessions of a file beside this one."""
    found, bullets = [], False
    for line in Path(__file__).with_name(name).read_text("utf-8").splitlines():
        mark, _, text = line.partition(" ")
        if mark == "==":
            found.append(Made(text))
        elif mark == "$":
            found[-1].runs.append([text, ""])
        elif mark == ">":
            found[-1].runs[-1][1] += text + "\n"
        elif mark in ("+", "-", "+*", "-*"):
            found[-1].labels[text] = mark[0] == "+"
            bullet = mark.endswith("*")
            said = found[-1].said
            if bullet or bullets or not said:
                said.append(f"* {text}" if bullet else text)
            else:
                said[-1] += f" {text}"
            bullets = bullet
        elif line.strip() and mark != "#":
            found[-1].said.append(line)
            bullets = True
    return found


def _claude(made):
    def line(role, content):
        return {"sessionId": "s", "type": role, "message": {"role": role, "content": content}}

    yield line("user", "What do you find?")
    for number, (command, output) in enumerate(made.runs):
        used = {"type": "tool_use", "id": f"t{number}", "name": "Bash"}
        yield line("assistant", [{**used, "input": {"command": command}}])
        done = {"type": "tool_result", "tool_use_id": f"t{number}", "content": output}
        yield line("user", [done])
    yield line("assistant", [{"type": "text", "text": "\n".join(made.said)}])


def _codex(made):
    def line(**payload):
        return {"timestamp": "t", "type": "response_item", "payload": payload}

    def said(role, kind, text):
        return line(type="message", role=role, content=[{"type": kind, "text": text}])

    yield said("user", "input_text", "What do you find?")
    for number, (command, output) in enumerate(made.runs):
        given = json.dumps({"command": ["bash", "-lc", command]})
        yield line(type="function_call", name="shell", call_id=f"c{number}", arguments=given)
        told = json.dumps({"output": output, "metadata": {"exit_code": 0}})
        yield line(type="function_call_output", call_id=f"c{number}", output=told)
    yield said("assistant", "output_text", "\n".join(made.said))


def _chat(made):
    yield {"role": "user", "content": "What do you find?"}
    for number, (command, output) in enumerate(made.runs):
        call = {"name": "bash", "arguments": json.dumps({"command": command})}
        yield {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": call}],
        }
        yield {"role": "tool", "tool_call_id": f"c{number}", "content": output}
    yield {"role": "assistant", "content": "\n".join(made.said)}


_LINES = {"claude-code": _claude, "codex": _codex, "chat": _chat}


def told(text):
    """Return a sentence as it is compared: its letters and digits."""
    return re.sub(r"\W+", " ", text).strip()
