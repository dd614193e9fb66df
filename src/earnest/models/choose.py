"""From what a user writes after `--model` to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from earnest.core.errors import UsageError
from earnest.core.protocols import Model

FORMS: Final = (
    "analyst, openai:NAME, http://HOST:PORT/v1#NAME for a compatible server, or, for what is "
    "asked closed-book, nano or hf:FOLDER"
)
_NANO: Final = Path(__file__).parent / "nano0"


def open_model(spec: str) -> Model:
    """Return the model that a specification names. Raises `UsageError`, `LackError`.

    `analyst`: the rule-based baseline; `openai:NAME`: a model of that service, with the key in
    `OPENAI_API_KEY`; `http://HOST:PORT/v1#NAME`: a model of any compatible server; `nano`:
    generation 0, and `hf:FOLDER`: a checkpoint's folder, neither of which can call tools.
    """
    if spec == "analyst":
        from earnest.models.analyst import Analyst

        return Analyst()
    if spec == "nano" or spec.startswith("hf:"):
        from earnest.models.local import LocalModel

        if spec == "nano":
            return LocalModel(_NANO, name=spec)
        folder = Path(spec.removeprefix("hf:"))
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}", mend="name a checkpoint: hf:FOLDER")
        return LocalModel(folder)
    if spec.startswith(("openai:", "http://", "https://")):
        from earnest.models.openai import OpenAIModel

        if spec.startswith("openai:"):
            return OpenAIModel(spec.removeprefix("openai:"))
        url, _, name = spec.partition("#")
        if not name:
            raise UsageError(f"{spec} names no model", mend=f"add it: {url}#NAME")
        return OpenAIModel(name, base_url=url)
    raise UsageError(f"no model {spec!r}", mend=f"choose {FORMS}")
