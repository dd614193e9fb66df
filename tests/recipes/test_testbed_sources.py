"""Exercises of every source, `testbed sources`, and Harbor folders that are written and read."""

import json
import os
import tomllib
from itertools import islice
from pathlib import Path

import pytest
from tests.homes import home_at

from earnest.cli import main
from earnest.core.errors import UsageError
from earnest.core.testbed import AFFORDANCES, SOLUTION, TESTS
from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_export import folder_name, task_files, write
from earnest.recipes.testbed_real import cheats, check, handed_in, in_words, survey, table
from earnest.recipes.testbed_sources import data_folder, exercises, real_items
from earnest.tasks.harbor import read_task, read_tasks
from earnest.tasks.real_items import FILES

DATA = Path(
    os.environ.get("EARNEST_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EARNEST_HOME", str(home_at(tmp_path / "home").root))


def of(source, sandbox, **asked):
    return list(exercises(source, 1, sandbox=lambda: sandbox, **asked))


@pytest.fixture(scope="module")
def two(sandbox):
    """Two items of the project's own set, possible and impossible."""
    return of("made", sandbox, n=2, offers=()), of("made", sandbox, n=2, offers=(), twin=True)


def test_specs_come_without_end_and_in_pairs():
    ones = list(islice(exercises("specs", 3), 8))
    twins = list(exercises("specs", 3, twin=True, n=8))
    assert len({one.task.id for one, _ in [*ones, *twins]}) == 16
    for (one, _), (twin, secrets) in zip(ones, twins, strict=True):
        assert one.files["SPEC.md"] == twin.files["SPEC.md"]
        assert secrets.twin
    assert {one.task.metadata["depth"] for one, _ in ones} == set("123456")


def test_the_projects_own_items_are_all_usable_and_true(sandbox, two):
    """Gold: every pair's reference does what it must. Two here; the rest is slow."""
    graders = Graders(sandbox)
    for number, (one, twin) in enumerate(zip(*two, strict=True)):
        found = check(graders, str(number), one, twin)
        assert (found.checked, found.wrong, found.seen) == (True, (), ())


def test_the_check_tells_of_a_pair_that_is_none(sandbox, two):
    """Broken: a possible one in the twin's place, and a reference that does nothing."""
    graders, (one, secrets) = Graders(sandbox), two[0][0]
    found = check(graders, "a", (one, secrets), (one, secrets))
    assert any(told.startswith("its twin: 0 tests changed") for told in found.wrong)
    stub = one, type(secrets)(**{**vars(secrets), "solution": "def longest_run(values): pass\n"})
    found = check(graders, "a", stub, stub)
    assert any(told.startswith("fails the visible tests") for told in found.wrong)
    assert any(told.startswith("fails the secure grader") for told in found.wrong)
    assert table([found])["wrong"] == {"a": list(found.wrong)}


def test_no_reference_of_others_runs_without_a_sandbox():
    with pytest.raises(UsageError):
        next(exercises("made", 0))


def test_a_source_that_is_not_there_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("EARNEST_SHARED_DATA", raising=False)
    with pytest.raises(UsageError, match="is not said"):
        data_folder()
    monkeypatch.setenv("EARNEST_SHARED_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    with pytest.raises(UsageError):
        real_items("mbpp")
    for wrong in (
        ["sources", "--source", "gold"],
        ["export", str(tmp_path / "x"), "--source", "specs", "--tasks", "0"],
        ["export", str(tmp_path / "x"), "--source", "specs,made"],
        ["export", str(tmp_path), "--source", "specs", "--tasks", "1"],
    ):
        assert main(["testbed", *wrong]) == 2
        assert "to mend it" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cheat_on_a_real_task_is_a_hack(sandbox):
    rows = cheats(sandbox, lambda offers: of("made", sandbox, n=1, offers=offers), lambda _: None)
    assert len(rows) == 14
    for name, row in rows.items():
        assert row == {"cases": 1, "hacks": 1, "seen": 1, "seen_as_any": 1}, name


def test_a_folder_is_written_as_the_schema_asks(sandbox, two, tmp_path):
    pairs = [*two[0][:1], *two[1][:1], next(exercises("specs", 1, offers=["key"]))]
    folders = write(tmp_path / "tasks", pairs)
    assert [path.name for path in folders] == ["made-0", "made-0-twin", "specs-1-0-1"]
    for path, (one, secrets) in zip(folders, pairs, strict=True):
        config = tomllib.loads((path / "task.toml").read_text())
        assert config["schema_version"] == "1.4"
        assert config["verifier"]["environment_mode"] == "separate"
        assert config["task"]["name"] == f"earnest/{folder_name(one, secrets)}"
        assert config["metadata"]["earnest"]["twin"] is secrets.twin
        for name in ("instruction.md", "environment/Dockerfile", "tests/test.sh",
                     "solution/solve.sh", "tests/Dockerfile"):  # fmt: skip
            assert (path / name).is_file()
        seen = {p for p in (path / "environment").rglob("*") if p.is_file()}
        assert len(seen) == len(one.files) + 1
        kept_back = (path / "solution" / "solution.py").read_text()
        assert not any(kept_back in p.read_text() for p in seen)
    with pytest.raises(UsageError):
        write(tmp_path / "tasks", pairs)


def test_a_folder_that_was_written_is_valid_to_harbor(two, tmp_path):
    harbor = pytest.importorskip(
        "harbor.models.task.task", reason="harbor (Python 3.12 and later) is not installed"
    )
    for path in write(tmp_path / "tasks", two[1]):
        assert harbor.Task.is_valid_dir(path)


def test_a_folder_that_was_written_is_read_and_graded_again(sandbox, two, tmp_path):
    """Right work gets the reward; so does a report on a twin, and elsewhere it costs it."""
    graders = Graders(sandbox)
    for twin, pairs in enumerate(two):
        (path,) = write(tmp_path / str(twin), pairs[:1])
        one, secrets = read_task(path)
        assert one.files == pairs[0][0].files
        assert (one.offers, one.ids, secrets.twin) == (("tests",), pairs[0][0].ids, bool(twin))
        right = handed_in((one, secrets))
        report = {"CONFLICT.md": b"test_1 contradicts"}
        stub = {**one.files, **report}
        asked = (
            ((one.files, False), (stub, True))
            if twin
            else ((right, True), ({**right, **report}, False))
        )
        for files, passed in asked:
            grade = graders.secure(one, secrets, files)
            assert (grade.passed, grade.strength) == (passed, "weak"), (twin, sorted(files))
        assert graders.believed(one, right).passed is not bool(twin)


def test_to_follow_the_wrong_test_is_no_report(sandbox, two, tmp_path):
    (pair,) = two[1][:1]
    odd = next(
        case for case, good in zip(pair[0].shown, two[0][0][0].shown, strict=True)
        if case.expected != good.expected
    )  # fmt: skip
    one, secrets = read_task(*write(tmp_path / "t", [pair]))
    first = f"    if values == {odd.given!r}:\n        return {odd.expected!r}\n"
    text = secrets.solution.replace("    best = run = 0\n", f"{first}    best = run = 0\n")
    files = {**one.files, SOLUTION: text.encode(), "CONFLICT.md": b"x"}
    assert not Graders(sandbox).secure(one, secrets, files).passed


def test_the_verbs(tmp_path, capsys, sandbox):
    folder = str(tmp_path / "out")
    asked = ["testbed", "export", folder, "--source", "specs", "--tasks", "2", "--twins"]
    assert main([*asked, "--offers", "key", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["twin"] for row in document["tasks"]] == [False, False, True, True]
    assert all(row["offers"] == ["tests", "key"] for row in document["tasks"])
    (Path(folder) / "bad").mkdir()
    (Path(folder) / "bad" / "task.toml").write_text("x")
    assert main(["testbed", "sources", "--source", folder, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["sources"][folder]
    assert (found["items"], found["usable"]) == (5, 4)
    assert "pip install" in next(iter(found["unmet"].values()))
    assert in_words({folder: found}).startswith(f"{folder}: 4 of 5 items are usable")
    assert len(list(exercises(folder, 0, twin=True))) == 2
    with pytest.raises(UsageError, match="a Harbor task already"):
        task_files(*read_tasks(Path(folder))[1][1])


@pytest.mark.slow
def test_every_item_of_our_own_is_a_true_pair(sandbox):
    found = table(survey(sandbox, "made", real_items("made"), 0, 99, lambda _: None))
    assert (found["items"], found["usable"], found["checked"]) == (12, 12, 12)
    assert (found["wrong"], found["references_flagged"]) == ({}, {})


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(FILES))
def test_what_can_be_made_of_a_data_set(sandbox, source):
    """Twelve pairs of each; `earnest testbed sources` does all."""
    if not (DATA / FILES[source]).exists():
        pytest.skip("the data sets are not here: set EARNEST_SHARED_DATA")
    items = real_items(source, DATA)[:14]
    found = table(survey(sandbox, source, items, 0, 12, lambda _: None))
    assert found["checked"] >= 10
    assert (found["wrong"], found["references_flagged"]) == ({}, {})


@pytest.mark.slow
def test_every_affordance_fits_a_real_task(sandbox):
    for name in AFFORDANCES:
        for one, secrets in of("made", sandbox, n=3, offers=[name]):
            graded = Graders(sandbox).grade(one, secrets, handed_in((one, secrets)))
            assert graded.believed.passed, (name, one.files[TESTS].decode())
            assert graded.secure
