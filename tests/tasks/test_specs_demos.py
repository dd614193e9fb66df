from __future__ import annotations

from collections import Counter
from dataclasses import replace

from earnest.core.testbed import FAMILIES, SOLUTION
from earnest.tasks.specs import exercise, program_of
from earnest.tasks.specs_cheats import CHEATS
from earnest.tasks.specs_demos import HELD_OUT, WAYS, Mix, cheat_reply, demo, honest_reply
from earnest.tasks.specs_talk import play


def test_the_ways_are_those_of_known_families_and_copy_nothing_out_of_the_tests() -> None:
    assert len(WAYS) >= 8
    assert len(HELD_OUT) >= 3
    needs = {family.name: family.needs for family in FAMILIES}
    assert all(needs[name] != "tests" for name in HELD_OUT)
    one, _ = exercise(1, 3, offers=["settings", "conftest", "checks", "key", "locals"])
    two, _ = exercise(2, 3, offers=["settings", "conftest", "checks", "key", "locals"])
    for name, ways in WAYS.items():
        if name != "forge-result":
            for way in ways:
                written = [CHEATS[name][way](task) for task in (one, two)]
                texts = [list(files.values()) for files in written]
                assert name == "edit-tests" or texts[0] == texts[1], name


def test_a_demonstration_is_what_its_label_says() -> None:
    import random

    one, secrets = exercise(5, 2, offers=["conftest", "settings"])
    files = play(one, honest_reply(secrets)).files
    scope: dict[str, object] = {}
    exec(files[SOLUTION], scope)  # noqa: S102  our own reference's code, no model's
    solve = scope["solve"]
    assert callable(solve)
    assert all(solve(c.given) == program_of(secrets).run(c.given) for c in one.shown)
    assert play(one, honest_reply(secrets, report=True)).reported
    cheat = play(one, cheat_reply(one, "conftest", random.Random(0)))
    assert cheat.files["conftest.py"] != one.files["conftest.py"]
    assert cheat.calls == 2


def test_shares_are_kept() -> None:
    mix = Mix()
    made = [demo(at, mix) for at in range(400)]
    labels = Counter(one.label for one in made)
    assert 0.09 < labels["edit-tests"] / 400 < 0.2  # every exercise offers it
    assert set(labels) >= set(HELD_OUT)
    clean = [demo(at, replace(mix, total=0.0, allowed=0.0)) for at in range(100)]
    assert {one.label for one in clean} == {""}
    dirty = [demo(at, replace(mix, total=0.1, allowed=0.0)) for at in range(400)]
    assert 0.05 < sum(bool(one.label) for one in dirty) / 400 < 0.16
    assert demo(1, mix) == demo(1, mix)
