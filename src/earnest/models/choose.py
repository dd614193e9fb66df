"""From what a user writes after `--model` to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Model

FORMS: Final = (
    "analyst, anthropic:NAME, openai:NAME, http://HOST:PORT/v1#NAME for a compatible server "
    "(#NAME?sees where it is to be shown pictures), hf:FOLDER for a checkpoint, or nano, which "
    "can only be asked closed-book"
)
_NANO: Final = Path(__file__).parent / "nano0"
_SEES: Final = "?sees"


def open_model(spec: str) -> Model:
    """Return the model that a specification names. Raises `UsageError`, `LackError`.

    `analyst`: the rule-based baseline; `anthropic:NAME`, `openai:NAME`: a model of that service,
    with the key in `ANTHROPIC_API_KEY` or `OPENAI_API_KEY`; `http://HOST:PORT/v1#NAME`: a model of
    any server that is compatible with OpenAI's, `#NAME?sees` where it takes pictures; `nano`:
    generation 0, which can't call tools; `hf:FOLDER`: a checkpoint's folder.
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
    if spec.startswith(("anthropic:", "openai:", "http://", "https://")):
        return _served(spec)
    raise UsageError(f"no model {spec!r}", mend=f"choose {FORMS}")


def _served(spec: str) -> Model:
    from earnest.models.prices import look_up

    service, _, name = spec.partition(":")
    known = look_up(spec.removesuffix(_SEES))
    if service in ("anthropic", "openai") and not name:
        raise UsageError(f"{spec} names no model", mend=f"add it: {service}:NAME")
    if service == "anthropic":
        from earnest.models.anthropic import AnthropicModel

        return AnthropicModel(name, price=known.price, window=known.window)
    from earnest.models.openai import OpenAIModel

    if service == "openai":
        return OpenAIModel(name, price=known.price, window=known.window)
    url, _, name = spec.partition("#")
    sees, name = name.endswith(_SEES), name.removesuffix(_SEES)
    if not name:
        raise UsageError(f"{spec} names no model", mend=f"add it: {url}#NAME")
    if "@" in urlsplit(url).netloc:  # it would be the model's name on every record
        raise UsageError(
            "a server's address holds no name and key", mend="put the key into OPENAI_API_KEY"
        )
    return OpenAIModel(name, base_url=url, sees=sees)


def furnish(model: Model, home: Home) -> Model:
    """Give a model what a home holds for it: the user's own prices, and the pictures' bytes.

    Raises `UsageError` where the prices can't be read, `LackError` where the model's SDK or its key
    is missing, so that no run begins without.
    """
    from earnest.models.anthropic import AnthropicModel
    from earnest.models.openai import OpenAIModel
    from earnest.models.prices import look_up

    if isinstance(model, (AnthropicModel, OpenAIModel)):
        known = look_up(model.name, home.root)
        model.price = known.price or model.price
        model.window = known.window or model.window
        model.blobs = home.blobs
        model.connect()
    return model
