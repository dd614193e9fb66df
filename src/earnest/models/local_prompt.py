"""From a conversation to the token ids that a checkpoint is asked with, by its chat template.

A template writes what is said and its own marks into one text, in which a tokenizer can't tell
them apart. So what a message says is freed of the tokenizer's marks first, and read alone to see
that none is left.

Token-exact: an answer that was sampled here goes into the next prompt as the very tokens that were
sampled, and only what follows it is written by the template. That needs a template which says the
same after an answer whatever the answer was. Where one does not (it refuses a tool's result that
follows no call that it wrote, or ends an answer otherwise than the model did), and where earlier
messages changed (a compaction), the whole is written and read anew, and the answer's record says
so. Templates that drop earlier thoughts keep them here.

Not covered: a mark of which a template writes one half and a message the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import ModelError
from earnest.core.messages import Message, Tokens, ToolSpec
from earnest.core.quoted import written_out

_BRACKETS: Final = re.compile(r"[<\[\uff1c].*[>\]\uff1e]", re.DOTALL)
_ANSWER: Final = "The answer that was sampled stands here 5f1c"
"""Stands for an answer, to see what a template writes after it."""


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return what matches any of these texts, in whatever case; the longest first."""
    found = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True) if text)
    return re.compile(found or r"(?!)", re.IGNORECASE)


def _broken(found: re.Match[str]) -> str:
    return written_out(found[0][0]) + found[0][1:]


def basis(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> str:
    """Return the hash of what a prompt is made of."""
    fields = {"role", "content", "calls", "call"}
    said = [message.model_dump(mode="json", include=fields) for message in messages]
    return digest(canonical([said, [tool.model_dump(mode="json") for tool in tools]]))


class Prompter:
    """Writes prompts for one tokenizer. `name` is the model's, for messages of errors."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        self.name, self.tokenizer = name, tokenizer

    @property
    def template(self) -> str:
        """The chat template. Raises `ModelError` where there is none."""
        found = self.tokenizer.chat_template
        if not found:
            raise ModelError(f"{self.name} has no chat template")
        return str(found)

    @cached_property
    def _marks(self) -> tuple[frozenset[int], re.Pattern[str], re.Pattern[str]]:
        """The ids of the tokens that words may not become, and what they are written like.

        First those that are control tokens, then also the others that were added in brackets.
        """
        added = self.tokenizer.added_tokens_decoder.items()
        marks = {id_: str(token) for id_, token in added if token.special}
        others = {id_: str(token) for id_, token in added if _BRACKETS.fullmatch(str(token))}
        ids = frozenset((marks | others).keys() - {self.tokenizer.unk_token_id})
        return ids, _any_of(marks.values()), _any_of((marks | others).values())

    def read(self, text: str) -> list[int]:
        """Return the token ids of a text, nothing added to it."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def freed(self, text: str, *, own: bool = False) -> str:
        """Return a text that is words to the tokenizer. Raises `ModelError`.

        The model's `own` words may hold what it was taught to add in brackets, such as `<think>`.
        """
        ids, control, all_ = self._marks
        text = (control if own else all_).sub(_broken, text)
        if not own and ids & set(self.read(text)):
            # A tokenizer that makes characters alike first: nothing but letters is safe.
            text = "".join(c if c.isalnum() or c.isspace() else written_out(c) for c in text)
            if ids & set(self.read(text)):
                raise ModelError(f"{self.name} takes words of a message for control tokens")
        return text

    def _freed_all(self, value: Any, *, own: bool) -> Any:
        """Return JSON whose texts are all words to the tokenizer."""
        if isinstance(value, str):
            return self.freed(value, own=own)
        if isinstance(value, Mapping):
            return {self.freed(k, own=own): self._freed_all(v, own=own) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._freed_all(item, own=own) for item in value]
        return value

    def _message(self, message: Message, names: Mapping[str, str]) -> dict[str, Any]:
        """Return a message as templates take it. `names`: of the calls, by their ids."""
        own = message.role == "assistant"
        said: dict[str, Any] = {
            "role": message.role,
            "content": self.freed(message.content, own=own),
        }
        if message.role == "tool":
            said |= {"tool_call_id": message.call, "name": names.get(message.call, "")}
        if message.calls:
            said["tool_calls"] = [
                {
                    "type": "function",
                    "id": call.id,
                    "function": {
                        "name": self.freed(call.name, own=True),
                        "arguments": self._freed_all(call.arguments, own=True),
                    },
                }
                for call in message.calls
            ]
        return said

    def text(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> str:
        """Return the prompt as text. Raises `ModelError`."""
        from jinja2 import TemplateError

        if tools and not re.search(r"\btools\b", self.template):
            raise ModelError(
                f"{self.name} can't call tools: its chat template has no place for them",
                mend="choose another --model",
            )
        names = {call.id: call.name for message in messages for call in message.calls}
        offered = [
            {"type": "function", "function": self._freed_all(tool.model_dump(), own=False)}
            for tool in tools
        ]
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    [self._message(message, names) for message in messages],
                    tools=offered or None,
                    chat_template=self.template,
                    add_generation_prompt=True,
                    tokenize=False,
                )
            )
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            raise ModelError(f"{self.name}: its chat template refuses: {error}") from error

    def ids(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], ends: frozenset[int]
    ) -> tuple[list[int], bool]:
        """Return a prompt's token ids, and whether the answers in it are the tokens sampled.

        `ends`: the tokens that end an answer. Raises `ModelError`.
        """
        answered = [n for n, message in enumerate(messages) if message.role == "assistant"]
        if not answered:
            return self.read(self.text(messages, tools)), True
        last = answered[-1]
        before = messages[last].tokens
        made_here = before is not None and before.model == self.name
        if before is not None and made_here and before.basis == basis(messages[:last], tools):
            tail = self._after(messages, last, tools, before, ends)
            if tail is not None:
                return [*before.prompt, *before.sampled, *self.read(tail)], True
        return self.read(self.text(messages, tools)), False

    def _after(
        self,
        messages: Sequence[Message],
        last: int,
        tools: Sequence[ToolSpec],
        before: Tokens,
        ends: frozenset[int],
    ) -> str | None:
        """Return what the template writes after the answer at `last`; None: that can't be told."""
        stand_in = Message(role="assistant", content=_ANSWER)
        try:
            text = self.text([*messages[:last], stand_in, *messages[last + 1 :]], tools)
        except ModelError:
            return None
        if text.count(_ANSWER) != 1:
            return None
        tail = text.partition(_ANSWER)[2]
        if before.sampled and before.sampled[-1] in ends:
            end = self.tokenizer.decode([before.sampled[-1]])
            return tail.removeprefix(end) if tail.startswith(end) else None
        return tail
