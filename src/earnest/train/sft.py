"""Supervised training on the CPU: a short loop, repeatable and resumable.

The same data set, parent, recipe, seed and versions give the same curve and weights, whether or
not the run was killed on the way. Loss is the mean over the answers' tokens of a batch.
"""

from __future__ import annotations

import io
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import RecordError, UsageError
from earnest.core.home import write_whole
from earnest.core.protocols import Progress
from earnest.core.records import Checkpoint
from earnest.train.examples import (
    IGNORED,
    Example,
    epoch,
    examples,
    read_dataset,
    tensors,
    vocabulary,
)
from earnest.train.nano import Shape, make, parameters, prepare, shape_recipe

MANIFEST: Final = "manifest.json"
STATE: Final = ".state.pt"
_SAY_S: Final = 2.0
_FLOOR: Final = 0.02


@dataclass(frozen=True)
class Recipe:
    """How to train. `rate` is the learning rate after `warmup` steps, from where a cosine falls."""

    epochs: int = 8
    batch: int = 64
    rate: float = 4e-3
    warmup: int = 40
    decay: float = 0.1
    clip: float = 1.0


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    """Return the learning rate of a step, counted from 0."""
    warm = min(1.0, (step + 1) / recipe.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return recipe.rate * warm * (_FLOOR + (1 - _FLOOR) * cosine)


def _schedule(
    found: Sequence[Example], recipe: Recipe, seed: int, start: int
) -> Iterator[list[int]]:
    """Yield the batches from step `start` on."""
    each = len(epoch(found, recipe.batch, seed, 0))
    for number in range(start // each, recipe.epochs):
        batches = epoch(found, recipe.batch, seed, number)
        yield from batches[start % each if number == start // each else 0 :]


def _update(
    model: Any, optimizer: Any, chosen: Sequence[Example], rate: float, clip: float
) -> float:
    """Take one gradient step on the answers' tokens; return the loss before it."""
    import torch

    tokens, labels = tensors(chosen, model.config.pad_token_id)
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    asked = wanted != IGNORED
    loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[asked]), wanted[asked])
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return float(loss.detach())


class State:
    """What a killed run needs to go on, on disk as one file that is whole or absent."""

    def __init__(self, path: Path, signature: str, every_s: float) -> None:
        self.path, self.signature, self.every_s = path, signature, every_s
        self.saved = time.monotonic()

    def save(self, model: Any, optimizer: Any, losses: list[float]) -> None:
        """Write the state."""
        import torch

        sink = io.BytesIO()
        body = {
            "signature": self.signature,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "losses": torch.tensor(losses, dtype=torch.float64),
        }
        torch.save(body, sink)
        write_whole(self.path, sink.getvalue())
        self.saved = time.monotonic()

    def restore(self, model: Any, optimizer: Any) -> list[float]:
        """Put a saved state back and return its losses; nothing saved for this run: none."""
        import torch

        if not self.path.exists():
            return []
        body = torch.load(self.path, weights_only=True)
        if body["signature"] != self.signature:
            return []
        model.load_state_dict(body["model"])
        optimizer.load_state_dict(body["optimizer"])
        return [float(loss) for loss in body["losses"]]

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last save."""
        return time.monotonic() - self.saved >= self.every_s


def fit(
    model: Any,
    found: Sequence[Example],
    recipe: Recipe,
    seed: int,
    state: State,
    say: Progress,
) -> list[float]:
    """Train to the end and return the loss of every step."""
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.decay, betas=(0.9, 0.98)
    )
    model.train()
    losses = state.restore(model, optimizer)
    steps = recipe.epochs * len(epoch(found, recipe.batch, seed, 0))
    begun, first, said = time.monotonic(), len(losses), 0.0
    for chosen in _schedule(found, recipe, seed, first):
        step = len(losses)
        batch, rate = [found[at] for at in chosen], _rate(step, steps, recipe)
        losses.append(_update(model, optimizer, batch, rate, recipe.clip))
        now = time.monotonic()
        if now - said > _SAY_S:
            left = (now - begun) / (step + 1 - first) * (steps - step - 1)
            say(f"step {step + 1} of {steps}, loss {losses[-1]:.3f}, {left:.0f} s left")
            said = now
        if state.due:
            state.save(model, optimizer, losses)
    return losses


def _parent(parent: Path | None) -> str | None:
    """Return the hash of a parent checkpoint. Raises `RecordError` where it isn't whole."""
    if parent is None:
        return None
    return read_checkpoint(parent).id


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's manifest, its files re-verified. Raises `RecordError`."""
    try:
        manifest = Checkpoint.from_bytes((folder / MANIFEST).read_bytes())
        for name, expected in manifest.files.items():
            if digest((folder / name).read_bytes()) != expected:
                raise RecordError(f"{folder / name} has changed since the model was trained")
    except OSError as error:
        raise RecordError(f"{folder} is no whole checkpoint: {error}") from error
    return manifest


def _save(out: Path, model: Any, tokenizer: Any, beside: dict[str, bytes]) -> dict[str, str]:
    """Write the model folder, file by file; return their hashes."""
    files = dict(beside)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        files.update({path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())})
    for name, data in files.items():
        write_whole(out / name, data, mode=0o644)
    return {name: digest(data) for name, data in files.items()}


def _quiet(_line: str) -> None:
    """Take a line of progress and say nothing."""


def sft(
    dataset: Path,
    parent: Path | None,
    out: Path,
    seed: int,
    *,
    progress: Progress | None = None,
    recipe: Recipe | None = None,
    shape: Shape | None = None,
    threads: int = 1,
    save_s: float = 5.0,
) -> Checkpoint:
    """Train on a data set's folder and write the checkpoint's folder `out`; return its manifest.

    `parent`: the folder to go on from, None for a model from scratch of this `shape`. A killed
    call with the same arguments goes on from its last saved state (one every `save_s` seconds)
    and ends with the same weights. Raises `UsageError` where `out` already holds a checkpoint,
    `RecordError` for a damaged data set or parent, `LackError` without torch.
    """
    if (out / MANIFEST).exists():
        raise UsageError(f"{out} already holds a checkpoint", mend="name another folder")
    recipe, shape = recipe or Recipe(), shape or Shape()
    prepare(threads)
    manifest, files = read_dataset(dataset)
    ancestor = _parent(parent)
    model, tokenizer = make(vocabulary(files), parent, shape, seed)
    found = examples(files["train.parquet"], tokenizer)
    if not found:
        raise UsageError(f"{dataset} has no rows to train on", mend="verify findings first")
    how = {**asdict(recipe), "shape": shape_recipe(shape), "seed": seed, "threads": threads}
    state = State(out / STATE, digest(canonical([manifest.id, ancestor, how])), save_s)
    losses = fit(model, found, recipe, seed, state, progress or _quiet)
    taught = {name: files[name] for name in ("knowledge.jsonl",) if name in files}
    beside = {**taught, "dataset.json": manifest.data, "curve.json": canonical(losses)}
    hashes = _save(out, model, tokenizer, beside)
    checkpoint = Checkpoint(
        parent=ancestor,
        dataset=manifest.id,
        files=hashes,
        parameters=parameters(model),
        recipe={**how, "steps": len(losses), "loss": losses[-1]},
    )
    write_whole(out / MANIFEST, checkpoint.data, mode=0o644)
    state.path.unlink(missing_ok=True)
    return checkpoint
