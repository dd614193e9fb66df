"""Embedding models, for search by meaning: a checkpoint's folder, or a server.

`hf:FOLDER` is a Hugging Face checkpoint for sentence embeddings, on the CPU: the last layer's
states, averaged over the tokens that are no padding (or the first token's, where the folder's
`1_Pooling/config.json` says so), of length 1. `http://HOST:PORT/v1#NAME` is a server that speaks
OpenAI's `/embeddings`, through the official SDK; the key, if any, is in `OPENAI_API_KEY`.

Not covered: prompts that some models want before a query or a passage; layers after the pooling;
code that comes with a checkpoint, which is never run; what a server's answers cost.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from earnest.core.canon import parse
from earnest.core.errors import LackError, ModelError, RecordError, UsageError
from earnest.core.protocols import Embedder

if TYPE_CHECKING:
    from openai import OpenAI

_LONGEST: Final = 512
_TIMEOUT_S: Final = 10.0
_MEAN, _FIRST = "pooling_mode_mean_tokens", "pooling_mode_cls_token"


class Ready(Embedder, Protocol):
    """An embedding model that says beforehand whether it could be used."""

    def ready(self) -> None:
        """Raise `LackError` where a package is missing, `UsageError` where the model can't be."""
        ...


def open_embedder(spec: str) -> Ready:
    """Return the embedding model that a specification names. Raises `UsageError`."""
    if spec.startswith("hf:"):
        folder = Path(spec.removeprefix("hf:"))
        if not (folder / "config.json").is_file():
            raise UsageError(
                f"there is no checkpoint in {folder}",
                mend="name its folder: --embeddings hf:FOLDER",
            )
        return LocalEmbedder(folder)
    url, _, name = spec.partition("#")
    if url.startswith(("http://", "https://")) and name:
        return ServedEmbedder(url, name)
    raise UsageError(
        f"no embedding model {spec!r}", mend="choose hf:FOLDER, or http://HOST:PORT/v1#NAME"
    )


class LocalEmbedder:
    """A checkpoint's folder, loaded on the first text. Implements `core.protocols.Embedder`."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads

    @cached_property
    def name(self) -> str:
        """The folder's name, and a mark of its files as they are now."""
        listed = [
            (path.name, path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(self.folder.iterdir())
            if path.is_file()
        ]
        return f"hf:{self.folder.name}@{hashlib.sha256(repr(listed).encode()).hexdigest()[:16]}"

    def ready(self) -> None:
        """Raise `LackError` without torch and transformers, `UsageError` for another pooling."""
        if find_spec("torch") is None or find_spec("transformers") is None:
            raise _lacking()
        _ = self._first

    @cached_property
    def _first(self) -> bool:
        """Whether the first token's state stands for the text. Raises `UsageError`."""
        path = self.folder / "1_Pooling" / "config.json"
        if not path.is_file():
            return False
        try:
            told = parse(path.read_bytes())
            modes = {key for key, on in told.items() if key.startswith("pooling_mode_") and on}
        except (RecordError, AttributeError) as error:
            raise UsageError(f"{path} can't be read: {error}") from error
        if modes not in ({_MEAN}, {_FIRST}):
            raise UsageError(f"{path}: only mean and first-token pooling are known here")
        return modes == {_FIRST}

    @cached_property
    def _loaded(self) -> tuple[Any, Any, int]:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            import torch
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise _lacking() from error
        quiet: Any = logging
        quiet.set_verbosity_error()
        quiet.disable_progress_bar()
        torch.set_num_threads(self.threads)
        try:
            reader: Any = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            model: Any = AutoModel.from_pretrained(
                self.folder, local_files_only=True, dtype=torch.float32
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"{self.folder} can't be loaded: {error}", mend="name a checkpoint's folder"
            ) from error
        most = getattr(model.config, "max_position_embeddings", None) or _LONGEST
        return reader, model, min(_LONGEST, int(most), int(reader.model_max_length))

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text; of a long one only the beginning counts (512 tokens)."""
        reader, model, most = self._loaded
        import torch

        if reader.pad_token is None:
            reader.pad_token = reader.eos_token
        try:
            with torch.inference_mode():
                read = reader(
                    list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt"
                )
                states = model(**read).last_hidden_state
                kept = read["attention_mask"].unsqueeze(-1).to(states.dtype)
                mean = (states * kept).sum(1) / kept.sum(1).clamp(min=1)
                made = states[:, 0] if self._first else mean
                vectors: list[list[float]] = torch.nn.functional.normalize(made, dim=1).tolist()
                return vectors
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise ModelError(f"{self.name} failed: {str(error)[:200]}") from error


def _lacking() -> LackError:
    return LackError(
        "a local embedding model needs torch and transformers", mend="pip install 'earnest[train]'"
    )


class ServedEmbedder:
    """A model of a server that speaks OpenAI's `/embeddings`. Implements `Embedder`."""

    def __init__(self, url: str, model: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.url, self.model, self.timeout_s = url, model, timeout_s
        self.name = f"{url}#{model}"

    def ready(self) -> None:
        """Raise `LackError` without the SDK."""
        _ = self._client

    @cached_property
    def _client(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ImportError as error:
            raise LackError(
                "a served embedding model needs OpenAI's SDK", mend="pip install 'earnest[openai]'"
            ) from error
        key = os.environ.get("OPENAI_API_KEY", "") or "none"
        return OpenAI(api_key=key, base_url=self.url, timeout=self.timeout_s, max_retries=0)

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text. Raises `ModelError` where the server doesn't."""
        from openai import OpenAIError

        try:
            answer = self._client.embeddings.create(
                model=self.model, input=list(texts), encoding_format="float"
            )
            rows = sorted(answer.data, key=lambda row: row.index)
        except OpenAIError as error:
            raise ModelError(
                f"{self.name}: {str(error)[:200]}", mend="check that the server runs, and its URL"
            ) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{self.name} answered outside its protocol") from error
        return [row.embedding for row in rows]
