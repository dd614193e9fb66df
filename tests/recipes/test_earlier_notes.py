"""Which notes of earlier runs a run may search: none of one that could see what is sealed here."""

from tests.homes import home_at

from earnest.core.budget import Budget
from earnest.recipes.earlier_notes import SAW_ALL, earlier_notes
from earnest.recipes.known import informed
from earnest.recipes.research import Begun, begin, make_task
from earnest.tasks.registry import Registry


def noted(home, run, task, *, sandbox="auto", text="look"):
    begin(home, run, task, Begun("scripted", Budget(), sandbox))
    folder = home.runs / run / "workspace"
    folder.mkdir(parents=True)
    (folder / "NOTES.md").write_text(f"{text} {run}")


def test_notes_of_runs_that_saw_no_more_are_told(tmp_path):
    home = home_at(tmp_path / "home")
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    (tmp_path / "u.csv").write_text("c,d\n" + "".join(f"{n},{n % 5}\n" for n in range(60)))
    registry = Registry(home)
    own = registry.seal(tmp_path / "t.csv", design="iid")
    split_otherwise = registry.seal(tmp_path / "t.csv", design="grouped:b")
    another = registry.seal(tmp_path / "u.csv", design="iid")
    noted(home, "1-same", make_task("What?", [own]))
    noted(home, "2-another", make_task("What?", [another]))
    noted(home, "3-otherwise", make_task("What?", [split_otherwise]))
    noted(home, "4-unsafe", make_task("What?", [own]), sandbox="unsafe-local")
    noted(home, "5-own", make_task("What?", [own]))
    noted(home, "5-saw-all", make_task("What?", [own]))
    (home.runs / "5-saw-all" / SAW_ALL).touch()
    (home.runs / "6-strange" / "workspace").mkdir(parents=True)
    (home.runs / "6-strange" / "workspace" / "NOTES.md").write_text("no run.json")
    (home.runs / "1-same" / "workspace" / "PLAN.md").symlink_to(tmp_path / "t.csv")

    task = informed(home, make_task("And now?", [own]))
    told = dict(earlier_notes(home, "5-own", task)())
    assert told == {
        "2-another/NOTES.md": "look 2-another",
        "1-same/NOTES.md": "look 1-same",
    }
    assert earlier_notes(home, "5-own", make_task("And now?", [own])) is None
