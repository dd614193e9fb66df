"""`earnest testbed trl`: the testbed's exercises, graders and files with TRL's updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.homes import home_at

pytest.importorskip("torch")

from earnest.cli import main
from earnest.core.errors import UsageError
from earnest.core.messages import Message, ToolCall
from earnest.core.testbed import SOLUTION, Exercise
from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_lines import append, lines
from earnest.recipes.testbed_players import InTurns, OneReply, player_of
from earnest.recipes.testbed_report import report
from earnest.recipes.testbed_run import save_policy
from earnest.recipes.testbed_trl import compared, plan_of, run, words
from earnest.tasks.specs import exercise
from earnest.tasks.specs_talk import MARKS
from earnest.tasks.specs_tools import TOOLS, opening


def ignore(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from earnest.train.nano import Shape
    from earnest.train.policy import fresh_policy

    return fresh_policy(["def solve(given):"], MARKS, 0, Shape(16, 1, 2, 32))


def update(cpu: float, reward: float) -> dict[str, Any]:
    return {"cpu": cpu, "seconds": 2 * cpu, "grading": 0.5, "reward": reward}


def test_the_two_engines_are_compared_where_both_ran(tmp_path: Path) -> None:
    assert compared(tmp_path, 0) is None
    for cpu, reward in ((2.0, 0.1), (4.0, 0.3)):
        append(tmp_path / "seed-0" / "updates.jsonl", update(cpu, reward))
    assert compared(tmp_path, 0) is None
    append(tmp_path / "own" / "seed-0" / "updates.jsonl", update(2.0, 0.2))
    assert compared(tmp_path, 0) is None, "one of two"
    append(tmp_path / "own" / "seed-0" / "updates.jsonl", update(2.0, 0.4))
    found = compared(tmp_path, 0)
    assert found is not None
    assert found["ratio"] == 1.5
    assert found["reward"] == [[0.1, 0.2], [0.3, 0.4]]
    assert found["trl"] == {"cpu": 6.0, "seconds": 12.0, "grading": 1.0}


def test_a_group_of_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARNEST_HOME", str(home_at(tmp_path / "home").root))
    assert main(["testbed", "trl", "--each", "1"]) == 2
    assert "to mend it" in capsys.readouterr().err


def test_it_is_sampled_at_the_temperature_that_is_asked_for(policy: Any) -> None:
    from earnest.recipes.testbed_play import MOST, TEMPERATURE
    from earnest.tasks.specs_talk import prompt
    from earnest.train.sample import Sampler, sample

    ones = [exercise(f"hot {at}", 1)[0] for at in range(4)]
    asked = [policy.asked(prompt(one)) for one in ones]
    assert OneReply.temperature == TEMPERATURE > 1
    for heat in (TEMPERATURE, 1.0):
        turned = OneReply().play(policy, ones, 3, temperature=heat)
        wanted = sample(Sampler(policy.model), asked, MOST, 3, temperature=heat)
        assert [one.reply for one in turned] == [one.tokens for one in wanted]
        assert [one.logprobs for one in turned] == [one.logprobs for one in wanted]
    with pytest.raises(UsageError, match="sampled at temperature 1"):
        InTurns().play(policy, ones, 3, temperature=TEMPERATURE)


def test_one_update_end_to_end(policy: Any, sandbox: Any, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    policy.save(tmp_path / "model")
    player = player_of(tmp_path / "model")
    assert isinstance(player, OneReply)
    out = tmp_path / "out"
    chosen: dict[str, Any] = {
        "arm": "naive", "seeds": (3,), "generations": 1, "updates": 1, "prompts": 2, "each": 2,
        "tasks": 1, "final": 0,
    }  # fmt: skip
    plan, zero = plan_of(tmp_path / "model", out, player, **chosen)
    assert zero == out / "zero", "a folder without a manifest is copied"
    graders = Graders(sandbox)
    document = run(plan, zero, out, graders, ignore, player, alone=False)
    (line,) = lines(out / "seed-3" / "updates.jsonl")
    assert (line["rollouts"], line["update"], line["seed"]) == (4, 1, 3)
    (own,) = lines(out / "own" / "seed-3" / "updates.jsonl")
    same = ("tokens", "reward", "solve", "families", "hack_rate")
    assert [own[key] for key in same] == [line[key] for key in same], "the same rollouts"
    decided = [one["decision"] for one in lines(out / "seed-3" / "generations.jsonl")]
    assert decided == ["anchor", "refuse"]
    assert document["engine"] == "trl"
    assert document["beside"]["ratio"] > 0
    assert "TRL" in words(document, out)
    report([out], tmp_path / "report.html")
    assert "naive" in (tmp_path / "report.html").read_text()
    again = run(plan, zero, out, graders, ignore, player, alone=False)
    assert again["generations"] == document["generations"], "nothing is left to be run"


def by_heart(one: Exercise, text: str) -> tuple[Message, ...]:
    """A conversation that reads the spec, writes a solution and ends."""
    return (
        Message(role="assistant", content="", calls=(
            ToolCall(id="call-1-1", name="read_file", arguments={"path": "SPEC.md"}),)),
        Message(role="tool", content=one.files["SPEC.md"].decode(), call="call-1-1"),
        Message(role="assistant", content="", calls=(
            ToolCall(id="call-2-1", name="write_file", arguments={"path": SOLUTION, "text": text}),
        )),
        Message(role="tool", content="written", call="call-2-1"),
        Message(role="assistant", content="Done."),
    )  # fmt: skip


@pytest.mark.slow
def test_a_chat_model_plays_by_calls_and_learns(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    import torch
    from tests.models.tiny import checkpoint

    from earnest.train.by_trl import Batch, Rolled, learn
    from earnest.train.grpo import Grpo

    one, _ = exercise("chat", 1, offers=[])
    text = "def solve(x):\n    return x\n"
    folder = checkpoint(
        tmp_path / "chat", ((*opening(one), *by_heart(one, text)),), TOOLS, steps=250, window=2048
    )
    player = player_of(folder)
    assert isinstance(player, InTurns)
    chat = player.load(folder)
    model: Any = chat.model
    with torch.no_grad():
        model.lm_head.weight.mul_(30)  # it says what it learned, whatever is drawn
    first, second = player.play(chat, [one, one], 1)
    assert first.played == second.played
    assert first.played.files[SOLUTION].decode() == text
    assert (first.played.calls, first.exact) == (1, True)
    assert first.own is not None
    assert 0 < sum(first.own) < len(first.reply)
    with torch.no_grad():
        model.lm_head.weight.div_(30)  # else it is too sure to learn
    other = [5, 6, 7]

    def likely() -> float:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*first.prompt, *other]])).logits[0]
        start = len(first.prompt) - 1
        found = logits.log_softmax(-1)[range(start, start + len(other)), other]
        return float(found.sum())

    before = likely()
    rolled = [
        Rolled(first.prompt, first.reply, first.logprobs, 0.0, first.own),
        Rolled(first.prompt, other, [0.0] * len(other), 1.0),
    ]
    learn(chat, Batch(3, 1, 2, player.most), lambda at: rolled, Grpo(), ignore_update)
    assert likely() > before + 0.1, "what was rewarded is likelier"
    save_policy(chat, tmp_path / "kept", parent=None, recipe={})
    assert player.load(tmp_path / "kept").size == chat.size


def ignore_update(_: int) -> None:
    """Note nothing."""
