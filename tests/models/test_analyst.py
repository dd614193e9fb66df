"""The analyst on real tables: what it sees, claims and proves."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from earnest.agent.loop import RunResult, run_agent
from earnest.agent.replay import logged_findings, replay
from earnest.core.budget import Budget
from earnest.core.canon import digest
from earnest.core.errors import ModelError
from earnest.core.events import EventLog, read_events
from earnest.core.home import Home
from earnest.core.jobs import DATA, Job
from earnest.core.messages import Message, Sampling
from earnest.core.predicates import holds
from earnest.core.protocols import Sandbox
from earnest.core.records import Author, Finding, TableRef, Task
from earnest.models.analyst import Analyst
from earnest.tools.findings import Submitter
from earnest.tools.kit import research_tools


def table_of(home: Home, name: str, text: str, design: str = "iid") -> tuple[TableRef, Path]:
    """Lay out a table's visible rows as the tasks room does."""
    folder = home.tables / name
    folder.mkdir(parents=True)
    (folder / f"{name}.csv").write_text(text)
    lines = text.splitlines()
    ref = TableRef(
        name=name,
        table=digest(name.encode()),
        visible=digest(text.encode()),
        design=design,
        rows=len(lines) - 1,
        columns=tuple(lines[0].split(",")),
    )
    return ref, folder


def bundled(name: str) -> str:
    if name == "wine":
        from sklearn.datasets import load_wine

        frame = load_wine(as_frame=True).frame
        frame["target"] = frame["target"].map(lambda code: f"class_{code}")
    else:
        from importlib import import_module

        frame = import_module(f"statsmodels.datasets.{name}").load_pandas().data
        if name == "co2":
            frame = frame.rename_axis("date").reset_index().dropna()
    out = io.StringIO()
    frame.to_csv(out, index=False, lineterminator="\n")
    return out.getvalue()


def analyse(
    home: Home, sandbox: Sandbox, ref: TableRef, data: Path, model: Any = None, **more: Any
) -> RunResult:
    task = Task(kind="research", prompt="What is going on in this table?", tables=(ref,))
    author = Author(principal="someone", model="analyst")
    submitter = Submitter(task=task, run="run-1", author=author, exposure="sealed")
    folder = home.runs / "run-1"
    with EventLog(folder / "events.jsonl") as log:
        tools = research_tools(
            submitter,
            sandbox,
            home.blobs,
            data=data,
            workspace=folder / "workspace",
            earlier=logged_findings(log.events),
        )
        return run_agent(task, model or Analyst(), tools, log, Budget(), **more)


def results_on(
    sandbox: Sandbox, home: Home, finding: Finding, data: Path, seed: int = 1
) -> dict[str, float]:
    from earnest.core.canon import parse

    out = "results.json"
    entry = ("python", "evidence.py", "--data", DATA, "--out", out, "--seed", str(seed))
    script = home.blobs.get(finding.evidence.script)
    result = sandbox.run(Job(entry=entry, files={"evidence.py": script}, ro_mounts={DATA: data}))
    assert result.ok, result.stderr
    found: dict[str, float] = parse(result.files[out])
    return found


def shuffled(data: Path, to: Path, column: str | None, seed: int) -> Path:
    """A copy of a table with its rows in another order, or with one column shuffled."""
    import pandas as pd

    (file,) = data.glob("*.csv")
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    rng = random.Random(seed)
    order = rng.sample(range(len(frame)), len(frame))
    if column is None:
        frame = frame.iloc[order]
    else:
        frame[column] = frame[column].to_numpy()[order]
    to.mkdir()
    frame.to_csv(to / file.name, index=False)
    return to


@pytest.mark.parametrize(
    ("name", "design", "least"),
    [
        pytest.param("wine", "iid", 8, marks=pytest.mark.slow),
        ("fair", "iid", 8),
        ("co2", "time:date", 1),
    ],
)
def test_a_bundled_table(
    home: Home, sandbox: Sandbox, tmp_path: Path, name: str, design: str, least: int
) -> None:
    ref, data = table_of(home, name, bundled(name), design)
    result = analyse(home, sandbox, ref, data)
    assert result.status == "done"
    assert least <= len(result.findings) <= 12
    assert result.final.startswith(f"I queued {len(result.findings)} claims")
    assert "What did not work" not in result.final
    workspace = home.runs / "run-1" / "workspace"
    assert (workspace / "PLAN.md").exists()
    assert name in (workspace / "NOTES.md").read_text()
    claims = [finding.claim for finding in result.findings]
    assert max(Counter(claim.outcome for claim in claims).values()) <= 4
    order = random.Random(1).sample(result.findings, min(2, len(result.findings)))
    for number, finding in enumerate(order):
        evidence = finding.evidence
        assert results_on(sandbox, home, finding, data, seed=3) == evidence.results
        turned = shuffled(data, tmp_path / f"rows-{number}", None, number)
        assert results_on(sandbox, home, finding, turned) == pytest.approx(evidence.results)
        chance = shuffled(data, tmp_path / f"chance-{number}", finding.claim.outcome, number)
        lost = results_on(sandbox, home, finding, chance)
        assert not holds(evidence.supports, lost) or evidence.results["p"] > 0.001


def planted(rng: random.Random, rows: int) -> str:
    lines = ["code,kind,size,size_cm,weight,noise,when,place"]
    for number in range(rows):
        kind = rng.choice(["round", "flat"])
        size = rng.gauss(10, 2)
        weight = -3 * size + (4 if kind == "round" else 0) + rng.gauss(0, 2)
        day = f"{2000 + number % 20}-01-0{1 + number % 9}"
        row = (f"c{number}", kind, f"{size:.3f}", f"{size * 100:.1f}", f"{weight:.3f}")
        lines.append(",".join([*row, f"{rng.gauss(0, 1):.3f}", day, "here"]))
    return "\n".join(lines) + "\n"


def test_planted_relations_are_found_in_their_direction(home: Home, sandbox: Sandbox) -> None:
    ref, data = table_of(home, "things", planted(random.Random(2), 300))
    result = analyse(home, sandbox, ref, data)
    found = {(f.claim.kind, f.claim.outcome, f.claim.exposure): f.claim for f in result.findings}
    assert found["association", "weight", "size"].direction == "negative"
    difference = found["difference", "weight", "kind"]
    assert (difference.group, difference.direction) in {("round", "higher"), ("flat", "lower")}
    columns = {name for claim in found.values() for name in (claim.outcome, claim.exposure)}
    assert not columns & {"code", "place", "size_cm"}  # identifier, constant, duplicate


def test_pure_noise_gives_no_strong_claims(home: Home, sandbox: Sandbox) -> None:
    rng = random.Random(8)
    rows = [",".join(f"{rng.gauss(0, 1):.4f}" for _ in range(6)) for _ in range(200)]
    ref, data = table_of(home, "noise", "\n".join(["a,b,c,d,e,f", *rows]) + "\n")
    result = analyse(home, sandbox, ref, data)
    assert result.status == "done"
    assert len(result.findings) <= 3
    assert all(finding.evidence.results["p"] > 1e-4 for finding in result.findings)


def grouped(rng: random.Random, effect: float) -> str:
    """40 subjects of 6 rows; subjects differ a lot; `dose` varies within, `clinic` between."""
    lines = ["subject,clinic,dose,score"]
    for subject in range(40):
        level = rng.gauss(0, 10)
        for visit in range(6):
            dose = visit % 3
            clinic = "north" if subject % 2 else "south"
            score = level + effect * dose + rng.gauss(0, 1)
            lines.append(f"s{subject},{clinic},{dose}.5,{score:.3f}")
    return "\n".join(lines) + "\n"


def test_rows_of_a_group_are_not_taken_for_independent(home: Home, sandbox: Sandbox) -> None:
    text = grouped(random.Random(4), effect=1.0)
    ref, data = table_of(home, "visits", text, "grouped:subject")
    result = analyse(home, sandbox, ref, data)
    claims = {(f.claim.outcome, f.claim.exposure, f.claim.direction) for f in result.findings}
    assert claims == {("score", "dose", "positive")}
    (plain,) = [finding for finding in result.findings if not finding.claim.subset]
    assert plain.evidence.results["n"] == 40


def test_odd_names_and_values(home: Home, sandbox: Sandbox) -> None:
    rng = random.Random(6)
    lines = ['it\'s a "kind",größe (cm),and']
    for number in range(200):
        kind = rng.choice(["'one'", "NA", "two"])
        size = rng.gauss(3 if kind == "two" else 0, 1)
        lines.append(f"{kind},{size if number % 9 else ''},{size + rng.gauss(0, 1)}")
    text = "\n".join(lines) + "\n"
    ref, data = table_of(home, "odd", text)
    columns = ("it's a kind", "größe (cm)", "and")
    (data / "odd.csv").write_text(text.replace(lines[0], ",".join(columns)))
    visible = digest((data / "odd.csv").read_bytes())
    ref = ref.model_validate({**ref.model_dump(), "columns": columns, "visible": visible})
    result = analyse(home, sandbox, ref, data)
    assert len(result.findings) >= 3
    assert "What did not work" not in result.final


def test_a_wide_table_ends_soon(home: Home, sandbox: Sandbox) -> None:
    rng = random.Random(7)
    header = ",".join(f"c{n}" for n in range(300))
    rows = [",".join(f"{rng.gauss(0, 1):.2f}" for _ in range(300)) for _ in range(120)]
    ref, data = table_of(home, "wide", "\n".join([header, *rows]) + "\n")
    result = analyse(home, sandbox, ref, data)
    assert result.status == "done"
    assert result.seconds < 60


def test_it_is_a_pure_function_of_the_messages(home: Home, sandbox: Sandbox) -> None:
    ref, data = table_of(home, "things", planted(random.Random(2), 120))
    analyse(home, sandbox, ref, data, Analyst(3))
    messages = replay(read_events(home.runs / "run-1" / "events.jsonl")).messages
    specs = [tool.spec for tool in _specs(home, sandbox, ref, data)]
    for number, message in enumerate(messages):
        if message.role == "assistant":
            again = Analyst(3).generate(messages[:number], specs, Sampling(seed=number))
            assert again.message == message


def _specs(home: Home, sandbox: Sandbox, ref: TableRef, data: Path) -> Sequence[Any]:
    task = Task(kind="research", prompt="?", tables=(ref,))
    submitter = Submitter(task, "r", Author(principal="p", model="m"), "sealed")
    return research_tools(submitter, sandbox, home.blobs, data=data, workspace=home.root / "w")


def test_a_resumed_run_gives_the_same_findings(home: Home, sandbox: Sandbox) -> None:
    text = planted(random.Random(2), 120)
    ref, data = table_of(home, "things", text)
    whole = analyse(home, sandbox, ref, data, Analyst(3))
    log = home.runs / "run-1" / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    kinds = [event.kind for event in read_events(log)]
    # Right after a submission took effect, before its finding was announced.
    log.write_bytes(b"".join(lines[: kinds.index("finding")]))
    again = analyse(home, sandbox, ref, data, Analyst(3))
    assert [f.id for f in again.findings] == [f.id for f in whole.findings]
    events = list(read_events(log))
    assert [e.payload["id"] for e in events if e.kind == "finding"] == [
        f.id for f in whole.findings
    ]


def test_what_it_lacks_is_said() -> None:
    user = Message(role="user", content="Hello.")
    with pytest.raises(ModelError, match="needs the tools"):
        Analyst().generate([user], [], Sampling())


def test_a_script_that_fails_is_reported_at_the_end(home: Home, sandbox: Sandbox) -> None:
    text = planted(random.Random(2), 120)
    ref, data = table_of(home, "things", text)
    (data / "things.csv").write_text("\n")
    result = analyse(home, sandbox, ref, data)
    assert (result.status, result.findings) == ("done", ())
    assert "its profile failed" in result.final


@pytest.mark.slow
def test_a_big_table_ends_soon(home: Home, sandbox: Sandbox) -> None:
    rng = random.Random(7)
    lines = ["a,b,c,kind"]
    for _ in range(100_000):
        a = rng.gauss(0, 1)
        lines.append(f"{a:.4f},{a + rng.gauss(0, 1):.4f},{rng.gauss(0, 1):.4f},{rng.choice('xyz')}")
    ref, data = table_of(home, "big", "\n".join(lines) + "\n")
    result = analyse(home, sandbox, ref, data)
    assert result.status == "done"
    assert result.seconds < 120
