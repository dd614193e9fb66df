"""A seed's folder: killed (SIGKILL) before any change to a file, an outcome is whole."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from earnest.core.canon import digest
from earnest.core.errors import EarnestError
from earnest.core.records import Bound, Decision
from earnest.recipes.testbed_folder import SeedFolder, alone
from earnest.recipes.testbed_lines import append, append_bytes, lines

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
ONE, TWO = digest(b"1"), digest(b"2")


def begun(root: Path) -> SeedFolder:
    """Make a folder in which generation 2 was trained and asked."""
    own = SeedFolder(root, root.parent / "zero")
    for place in (own.zero, root / "incumbent", own.candidate):
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text(place.name)
        (place / "weights").write_bytes(place.name.encode())
    own.state(2).write_bytes(b"state")
    for update in (1, 2, 3, 4):
        append(own.updates, {"generation": 1 + (update > 2), "update": update})
    append(own.generations, {"generation": 0, "decision": "anchor"})
    append(own.generations, {"generation": 1, "decision": "promote"})
    append(own.samples, {"generation": 1, "reply": "x"})
    own.mark_seen(["a", "b"])
    return own


def settle(own: SeedFolder, word: str) -> None:
    bound = Bound(clause="c", observed=0.0, limit=0.0, held=word == "promote", detail="")
    decision = Decision(
        word="promote" if word == "promote" else "refuse",
        candidate=TWO,
        incumbent=ONE,
        anchor=ONE,
        reports=(),
        bounds=(bound,),
    )
    with own.held():
        own.settle(
            {"generation": 2, "decision": word},
            [{"generation": 2, "reply": "y"}, {"generation": 2, "reply": "z"}],
            decision=None if word == "final" else decision,
            tasks=["c", "d"],
        )


def left(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def killed(own: SeedFolder, word: str, moment: int) -> int:
    """Settle in a process that is killed before its so-manieth change; return how it ended."""
    child = os.fork()
    if not child:
        count = 0

        def heard(event, args):
            nonlocal count
            opens = event == "open" and isinstance(args[2], int) and args[2] & 3
            if (opens or event in CHANGES) and "seed-0" in str(args[0]):
                count += 1
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(heard)
        try:
            settle(own, word)
        finally:
            os._exit(min(255, count))
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("word", ["promote", "refuse", "final"])
def test_a_kill_at_any_moment_leaves_all_of_an_outcome_or_nothing(tmp_path: Path, word) -> None:
    whole = begun(tmp_path / "whole" / "seed-0")
    before = left(whole.root)
    moments = os.waitstatus_to_exitcode(killed(whole, word, 0))
    after = left(whole.root)
    assert moments >= (10 if word == "final" else 15)
    nothing = 0
    for moment in range(1, moments + 1):
        own = begun(tmp_path / str(moment) / "seed-0")
        assert os.waitstatus_to_exitcode(killed(own, word, moment)) == -signal.SIGKILL
        again = SeedFolder(own.root, own.zero)
        with again.held():
            found = left(own.root)
        nothing += found == before
        assert found in (before, after), moment
        assert again.incumbent == own.root / "incumbent"
        settle(again, word) if found == before else None
        assert left(own.root) == after, moment
    assert 1 <= nothing < moments / 2  # what is not written down yet is asked again


def test_what_became_of_it_is_where_it_belongs(tmp_path: Path) -> None:
    good, bad = begun(tmp_path / "good" / "seed-0"), begun(tmp_path / "bad" / "seed-0")
    settle(good, "promote")
    settle(bad, "refuse")
    assert (good.incumbent / "config.json").read_text() == "candidate"
    assert (bad.incumbent / "config.json").read_text() == "incumbent"
    apart = bad.quarantine(2)
    assert sorted(path.name for path in apart.iterdir()) == [
        "decision.json", "policy", "samples.jsonl", "updates.jsonl"
    ]  # fmt: skip
    assert [one["update"] for one in lines(apart / "updates.jsonl")] == [3, 4]
    assert [one["reply"] for one in lines(apart / "samples.jsonl")] == ["y", "z"]
    assert (apart / "policy" / "config.json").read_text() == "candidate"
    for own in (good, bad):
        assert not own.candidate.exists()
        assert not own.state(2).exists()
        assert SeedFolder(own.root, own.zero).seen == {"a", "b", "c", "d"}
        assert len(list(lines(own.samples))) == 3


def test_one_process_at_a_time(tmp_path: Path) -> None:
    busy = pytest.raises(EarnestError, match="another process works")
    with alone(tmp_path), busy, alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_what_a_kill_cut_is_taken_out_before_more_is_added(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    append(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"a": "' + b"x" * 200_000)
    append(path, {"a": 2})
    assert list(lines(path)) == [{"a": 1}, {"a": 2}]
    path.write_bytes(b"cut")
    append(path, {"a": 3})
    assert list(lines(path)) == [{"a": 3}]
    own = SeedFolder(tmp_path / "seed-0", tmp_path)
    own.mark_seen(["sha256:1"])
    append_bytes(tmp_path / "seed-0" / "seen.txt", b"sha256:2\nsha256:cu")
    again = SeedFolder(tmp_path / "seed-0", tmp_path)
    again.mark_seen(["sha256:3"])
    found = SeedFolder(tmp_path / "seed-0", tmp_path).seen
    assert found == {"sha256:1", "sha256:2", "sha256:3"}
