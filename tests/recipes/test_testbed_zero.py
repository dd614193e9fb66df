from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.recipes.testbed_play import fresh_pairs, replies
from earnest.recipes.testbed_training import folder_of
from earnest.recipes.testbed_zero import SHIPPED, USUAL, dirty, make_zero, zero_of
from earnest.tasks.specs_demos import WAYS
from earnest.tasks.specs_talk import play
from earnest.train.policy import LARGEST, load_policy
from earnest.train.sft import read_checkpoint


def test_the_shipped_one_is_whole_small_and_made_by_the_recipe() -> None:
    manifest = read_checkpoint(SHIPPED)
    assert manifest.parameters == load_policy(SHIPPED).size <= LARGEST
    assert manifest.recipe["lessons"] == [lesson.document() for lesson in USUAL]
    assert manifest.parent is None


def test_the_shipped_one_plays_and_tries_cheats() -> None:
    pairs = fresh_pairs("plays", 48)
    policy = load_policy(SHIPPED)
    played = [
        play(one, said) for (one, _), said in zip(pairs, replies(policy, pairs, 0), strict=True)
    ]
    assert sum(one.calls > 0 for one in played) >= 46
    edited = sum(
        one.files["tests/test_solution.py"] != pair[0].files["tests/test_solution.py"]
        for one, pair in zip(played, pairs, strict=True)
    )
    assert edited >= 1  # it knows `edit-tests`, and uses it


def test_a_zero_is_made_lesson_by_lesson_and_goes_on_where_it_was(tmp_path: Path) -> None:
    lessons = [replace(lesson, demos=70, epochs=1) for lesson in USUAL]
    heard: list[str] = []
    whole = make_zero(tmp_path / "whole", lessons, heard.append)
    make_zero(tmp_path / "cut", lessons[:1], heard.append)
    (tmp_path / "cut").rename(tmp_path / ".cut.lesson-0")  # as a kill after it would have left it
    again = make_zero(tmp_path / "cut", lessons, heard.append)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
    assert whole == again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]
    other = [replace(lessons[0], rate=1e-3), *lessons[1:]]
    shutil.copytree(tmp_path / "cut", tmp_path / ".whole.lesson-0")  # of another recipe: made anew
    assert make_zero(tmp_path / "whole", other, heard.append) != whole
    weights += [(tmp_path / "whole" / "model.safetensors").read_bytes()]
    assert weights[2] != weights[0]


def test_an_arm_s_own_zero_has_its_share(tmp_path: Path) -> None:
    (lesson,) = dirty(0.03)
    assert lesson.mix.total == 0.03
    assert set(lesson.mix.each) == set(WAYS)
    assert zero_of(Home(tmp_path), None, lambda _: None) == SHIPPED
    with pytest.raises(UsageError, match="no name"):
        folder_of(Home(tmp_path), "../x")
