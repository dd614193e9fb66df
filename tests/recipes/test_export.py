"""A finding leaves as a folder that a stranger can check and run again; the strangers are real."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import warnings

import pytest
from tests.homes import home_at

from earnest.cli import main
from earnest.core.canon import digest
from earnest.core.errors import RecordError, UsageError
from earnest.ledger.ledger import Ledger
from earnest.models.analyst import Analyst
from earnest.recipes import apart
from earnest.recipes.export import export, requirements, told
from earnest.recipes.network import RECORDING
from earnest.recipes.research import make_task, research
from earnest.sandbox.exchanges import Answered, Asked, Exchanges
from earnest.sandbox.image import build_image
from earnest.tasks.registry import Registry


@pytest.fixture(scope="module")
def world(tmp_path_factory, sandbox):
    """A home with one real run on a bundled table, and a finding that was confirmed in it."""
    home = home_at(tmp_path_factory.mktemp("world") / "home")
    refs = apart.seal_bundled(home, ["wine"])
    task = make_task("What is going on here?", refs)
    outcome = research(home, "r", task, Analyst(3), sandbox, lambda _: None)
    recording = Exchanges(home.blobs)
    recording.record(Asked("GET", "https://example.org/x"), Answered(200, body=b"an answer"))
    (home.runs / "r" / RECORDING).write_bytes(recording.to_bytes())
    found = [pair for pair in outcome.findings if pair[1].word == "confirmed"]
    assert found, [verdict.reason for _, verdict in outcome.findings]
    return home, *found[0]


@pytest.fixture
def crate(world, sandbox, tmp_path):
    home, finding, verdict = world
    done = export(home, finding, verdict, sandbox, tmp_path / "crate")
    assert (done.differs, done.left_out) == ("", ())
    return done.folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory, world):
    """An interpreter that has the packages of the image, and no Earnest."""
    folder = tmp_path_factory.mktemp("stranger")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "image.pth").write_text(f"{build_image(world[0].images)}\n")
    lacks = subprocess.run([python, "-I", "-c", "import earnest"], capture_output=True, check=False)
    assert b"No module named 'earnest'" in lacks.stderr
    return python


def rerun(python, crate, *more):
    done = subprocess.run(
        [python, crate / "rerun.py", *more], capture_output=True, text=True, check=False, env={}
    )
    return done.returncode, done.stdout + done.stderr


def test_a_stranger_gets_the_declared_numbers(crate, stranger, world):
    status, said = rerun(stranger, crate)
    assert status == 0, said
    assert said.count("the declared numbers") == 3
    assert world[1].evidence.supports in said


def test_a_stranger_with_coreutils_can_check_it(crate):
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=crate, capture_output=True, text=True
    )
    assert done.returncode == 0
    files = [path for path in crate.rglob("*") if path.is_file()]
    assert done.stdout.count(": OK") == len(files) - 2  # the sums and the metadata


def resum(crate):
    """What somebody does who changes a file and makes the sums right again."""
    lines = []
    for line in (crate / "SHA256SUMS").read_text().splitlines():
        name = line.partition("  ")[2]
        lines.append(f"{hashlib.sha256((crate / name).read_bytes()).hexdigest()}  {name}\n")
    (crate / "SHA256SUMS").write_text("".join(lines))


@pytest.mark.parametrize("covered", [False, True], ids=["plain", "with the sums made right"])
@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("evidence.py", b"import", b"# \nimport", "evidence.py"),
        ("data/wine.csv", b"\n1", b"\n2", "wine.csv"),
        ("verdict.json", b'"confirmed"', b'"replicated"', "verdict.json"),
        ("finding.json", b'"effect":', b'"effect" :', "finding.json"),
    ],
)
def test_a_changed_file_is_told(crate, stranger, name, old, new, says, covered):
    path = crate / name
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    if covered:
        resum(crate)
    status, said = rerun(stranger, crate)
    assert status == 1
    assert says in said
    assert "the declared numbers" not in said


def test_other_numbers_and_a_lost_predicate_are_told(crate, stranger):
    finding = json.loads((crate / "finding.json").read_bytes())
    for change, says in (
        (lambda e: e["results"].update(effect=e["results"]["effect"] * 1.01), "effect: declared"),
        (lambda e: e.update(supports="abs(effect) > 5"), "abs(effect) > 5 does not hold"),
    ):
        changed = json.loads(json.dumps(finding))
        change(changed["evidence"])
        (crate / "finding.json").write_text(json.dumps(changed))
        resum(crate)
        graph = json.loads((crate / "ro-crate-metadata.json").read_text())
        for entity in graph["@graph"]:
            if "sha256" in entity:
                data = (crate / entity["@id"]).read_bytes()
                entity["sha256"] = hashlib.sha256(data).hexdigest()
            if entity["@id"] == "./":
                data = (crate / "finding.json").read_bytes()
                entity["identifier"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        (crate / "ro-crate-metadata.json").write_text(json.dumps(graph))
        status, said = rerun(stranger, crate)
        assert status == 1
        assert says in said


def test_the_metadata_reads_back_and_names_every_file_by_its_hash(crate, world):
    from rocrate.rocrate import ROCrate

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = ROCrate(crate)
    files = {entity.id: entity for entity in read.data_entities if "sha256" in entity}
    there = {str(path.relative_to(crate)) for path in crate.rglob("*") if path.is_file()}
    assert set(files) == there - {"ro-crate-metadata.json"}
    for name, entity in files.items():
        assert entity["sha256"] == hashlib.sha256((crate / name).read_bytes()).hexdigest()
    assert read.root_dataset["identifier"] == world[1].id
    assert read.mainEntity.id == "finding.json"
    assert [entity.type for entity in read.get_entities() if entity.id == "#evidence"] == [
        "CreateAction"
    ]
    wanted = {
        "finding.json",
        "evidence.py",
        "data/wine.csv",
        "results.json",
        "verdict.json",
        "image.json",
    }
    wanted |= {"requirements.txt", "rerun.py", "figure.svg", "README.md", "SHA256SUMS"}
    wanted |= {"exchanges/exchanges.json"}
    assert wanted <= there
    assert b"an answer" in {path.read_bytes() for path in (crate / "exchanges").iterdir()}


def test_sealed_rows_and_their_exact_numbers_stay_out(crate, world):
    home, finding, verdict = world
    sealed = Registry(home).sealed(finding.table.table).read_text().splitlines()[1:]
    visible = (crate / "data" / "wine.csv").read_text().splitlines()
    assert len(sealed) > 40
    assert not set(sealed) & set(visible)
    whole = b"\0".join(path.read_bytes() for path in crate.rglob("*") if path.is_file()).decode()
    assert not [row for row in sealed if row in whole]
    exact = [f"{number:.12g}" for number in (verdict.effect, *verdict.interval, verdict.p)]
    telling = [number for number in exact if len(number) > 4]  # a bound may well be 1
    assert telling
    for number in telling:
        assert number not in whole
    assert "seed" not in told(finding, verdict)
    exact = verdict.model_copy(update={"alpha": 0.123456789})
    assert told(finding, exact)["alpha"] == 0.12


def test_the_image_and_the_requirements_are_pinned(crate):
    image = json.loads((crate / "image.json").read_bytes())
    assert image["python"].startswith("3.")
    assert (image["differs"], image["seed"]) == ("", 1)
    lines = (crate / "requirements.txt").read_text().split()
    assert f"pandas=={image['packages']['pandas']}" in lines
    assert any(line.startswith("numpy==") for line in lines)
    assert not any(line.startswith(("torch", "scikit-learn", "earnest")) for line in lines)


def test_what_is_imported_by_name_only_pins_everything():
    packages = {"numpy": "2", "pandas": "3", "sympy": "1"}
    assert requirements(b"import numpy", packages) == "numpy==2\n"
    for script in (b"import importlib", b"__import__('numpy')", b"import (", b"exec('1')"):
        assert requirements(script, packages).split() == ["numpy==2", "pandas==3", "sympy==1"]


def test_what_is_too_large_stays_out_and_is_named(world, sandbox, stranger, tmp_path):
    home, finding, verdict = world
    done = export(home, finding, verdict, sandbox, tmp_path / "small", most_mib=1e-6)
    assert done.left_out[0] == "wine.csv"
    assert not (done.folder / "data").exists()
    readme = (done.folder / "README.md").read_text()
    assert f"`wine.csv` ({finding.table.visible})" in readme
    assert "--data FOLDER" in readme
    assert rerun(stranger, done.folder)[0] == 1
    table = Registry(home).visible(finding.table.table)
    assert rerun(stranger, done.folder, "--data", table)[0] == 0


def test_a_folder_that_is_there_is_left_alone(world, sandbox, tmp_path):
    home, finding, verdict = world
    with pytest.raises(UsageError, match="there already") as caught:
        export(home, finding, verdict, sandbox, tmp_path)
    assert "--out" in caught.value.mend
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../../../secret.key", "other.csv"])
def test_inputs_are_the_tables_and_nothing_else(world, sandbox, tmp_path, name):
    home, finding, verdict = world
    secret = digest((home.root / "secret.key").read_bytes())
    evidence = finding.evidence.model_copy(update={"inputs": {name: secret}})
    other = finding.model_copy(update={"evidence": evidence})
    with pytest.raises(RecordError, match="not the finding's input"):
        export(home, other, verdict, sandbox, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def test_a_script_that_gives_other_numbers_now_is_said(world, sandbox, tmp_path):
    home, finding, _ = world
    evidence = finding.evidence.model_copy(update={"results": {"effect": 0.5, "p": 0.1, "n": 1.0}})
    other = finding.model_copy(update={"evidence": evidence})
    done = export(home, other, None, sandbox, tmp_path / "crate")
    assert "against" in done.differs
    assert "did not agree" in (done.folder / "README.md").read_text()
    assert json.loads((done.folder / "verdict.json").read_bytes())["word"] == "queued"


def test_the_verb(world, tmp_path, capsys):
    home, finding, _ = world
    home_option = ["--home", str(home.root), "--json"]
    assert main(["findings", "export", finding.id, *home_option]) == 2
    assert "--out DIR" in capsys.readouterr().err
    out = tmp_path / "crate"
    assert main(["findings", "export", finding.id[7:20], "--out", str(out), *home_option]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"]["evidence.py"] == finding.evidence.script
    assert document["files"]["finding.json"] == finding.id
    assert os.access(out / "README.md", os.R_OK)
    with Ledger(home.ledger) as ledger:
        assert ledger.verdict(finding.id).id in (out / "verdict.json").read_text()
