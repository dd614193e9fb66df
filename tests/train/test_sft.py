"""Training: repeatable, resumable, and what it refuses."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tests.train.conftest import MIX
from tests.world import NEW, world

from earnest.core.canon import parse
from earnest.core.errors import RecordError, UsageError
from earnest.data.build import build
from earnest.data.knowledge import Knowledge
from earnest.train.sft import STATE, read_checkpoint, sft

KILLED = """
import pathlib, sys, time
from earnest.train import sft as module
from earnest.train.nano import Shape
from earnest.train.sft import STATE, Recipe, sft
module._SAY_S = -1.0  # it speaks after every step
def wait(line):
    if (pathlib.Path(sys.argv[2]) / STATE).exists():
        time.sleep(600)
sft(pathlib.Path(sys.argv[1]), None, pathlib.Path(sys.argv[2]), 3, progress=wait,
    recipe=Recipe(epochs=2, batch=16, warmup=4),
    shape=Shape(hidden=32, layers=1, heads=2, inner=64), threads=1, save_s=0.0)
"""


@pytest.fixture(scope="module")
def trained(dataset, tiny, tmp_path_factory):
    """A checkpoint's folder and manifest."""
    out = tmp_path_factory.mktemp("models") / "one"
    lines = []
    checkpoint = sft(dataset, None, out, 3, progress=lines.append, **tiny)
    assert lines
    assert all("loss" in line and "s left" in line for line in lines)
    return out, checkpoint


def test_the_loss_falls_and_the_folder_is_whole(trained, dataset):
    out, checkpoint = trained
    losses = parse((out / "curve.json").read_bytes())
    assert len(losses) == checkpoint.recipe["steps"]
    assert losses[-1] < 0.9 * losses[0]
    assert read_checkpoint(out) == checkpoint
    assert checkpoint.parent is None
    assert checkpoint.parameters <= 1_000_000
    assert Knowledge.read(out) == Knowledge.read(dataset)
    assert not list(out.glob(".*"))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(checkpoint.files)


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(
    trained, dataset, tiny, tmp_path
):
    out, checkpoint = trained
    assert sft(dataset, None, tmp_path / "again", 3, **tiny) == checkpoint
    for name in checkpoint.files:
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
    other = sft(dataset, None, tmp_path / "other", 4, **tiny)
    assert other.files["curve.json"] != checkpoint.files["curve.json"]


def test_killed_and_resumed_it_ends_with_the_same_weights(trained, dataset, tiny, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(dataset), str(out)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    limit = time.monotonic() + 180
    while not (out / STATE).exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert (out / STATE).exists()
    assert not (out / "manifest.json").exists()
    assert sft(dataset, None, out, 3, **tiny).files == trained[1].files
    assert not (out / STATE).exists()


def test_a_state_of_another_run_is_not_used(trained, dataset, tiny, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    import torch

    torch.save({"signature": "another"}, out / STATE)
    assert sft(dataset, None, out, 3, **tiny).files == trained[1].files


def test_the_next_generation_keeps_the_old_words_and_learns_new_ones(trained, tiny, tmp_path):
    from transformers import AutoTokenizer

    parent, before = trained
    build(*world(NEW, 6, 2, 2), parent, tmp_path / "data", 0, mix=MIX)
    after = sft(tmp_path / "data", parent, tmp_path / "two", 3, **tiny)
    assert after.parent == before.id
    old = AutoTokenizer.from_pretrained(parent).get_vocab()
    new = AutoTokenizer.from_pretrained(tmp_path / "two").get_vocab()
    assert old.items() <= new.items()
    assert len(new) > len(old)
    assert sorted(new.values()) == list(range(len(new)))


def test_what_is_there_already_is_not_trained_over(trained, dataset, tiny):
    with pytest.raises(UsageError, match="already holds"):
        sft(dataset, None, trained[0], 3, **tiny)


def test_damage_is_seen(trained, dataset, tiny, tmp_path):
    copy = tmp_path / "data"
    copy.mkdir()
    for path in dataset.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "vocabulary.json").write_bytes(b"[]")
    with pytest.raises(RecordError, match="has changed"):
        sft(copy, None, tmp_path / "out", 3, **tiny)
    with pytest.raises(RecordError, match="no whole checkpoint"):
        sft(dataset, tmp_path, tmp_path / "out", 3, **tiny)
    with pytest.raises(RecordError, match="no data set"):
        sft(tmp_path / "nowhere", None, tmp_path / "out", 3, **tiny)
