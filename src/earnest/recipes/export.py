"""A finding as an RO-Crate that a stranger can check and run again without Earnest.

What goes in: the finding's own bytes (their hash is its id), its script, the visible rows, what the
run exchanged with the network, the verdict, the figure, and what the jail's Python had installed
when the script was run there for this export. Never the sealed rows: this process doesn't read
them, and what the verdict says of them is rounded.

Not covered: a stranger can't repeat the verdict, only the evidence; and the image is the one of the
export, not of the run: whether it still gives the declared numbers is tried and said.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import digest, parse
from earnest.core.claims import sentence
from earnest.core.errors import RecordError, SandboxError, UsageError
from earnest.core.evidence import evidence_job, evidence_numbers, recorded_answers
from earnest.core.home import Home
from earnest.core.jobs import DATA, Job
from earnest.core.protocols import Sandbox
from earnest.core.records import Finding, Verdict
from earnest.core.shown import programs, rounded, shown
from earnest.recipes.crate import SUMS, VERSION, Crate, rocrate, write
from earnest.recipes.network import RECORDING
from earnest.recipes.report import effects
from earnest.sandbox.exchanges import Exchanges
from earnest.tasks.registry import Registry
from earnest.verify.evidence_run import close

MOST_MIB: Final = 32.0
_PROBE: Final = b"""\
import importlib.metadata
import json
import platform

packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
told = {
    "python": platform.python_version(),
    "implementation": platform.python_implementation(),
    "machine": platform.machine(),
    "system": platform.system(),
    "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
}
with open("image.json", "w") as out:
    json.dump(told, out)
"""


@dataclass(frozen=True)
class Exported:
    """What came of an export. `differs`: where the script's numbers aren't the declared ones."""

    folder: Path
    hashes: Mapping[str, str]
    metadata: str
    differs: str
    left_out: tuple[str, ...]


def export(
    home: Home,
    finding: Finding,
    verdict: Verdict | None,
    sandbox: Sandbox,
    out: Path,
    *,
    most_mib: float = MOST_MIB,
) -> Exported:
    """Write a finding's crate to a new folder.

    Inputs larger than `most_mib` stay out and are named. Raises `UsageError` where the folder is
    there, `RecordError` where the finding's script or table is gone or changed, `LackError`
    without the package rocrate, `SandboxError`.
    """
    rocrate()
    if out.exists():
        raise UsageError(f"{out} is there already", mend="name a new folder: --out DIR")
    script = home.blobs.get(finding.evidence.script)
    answers = recorded_answers(finding.evidence.inputs, home.blobs.get)
    crate, left_out = Crate(), list[str]()
    crate.put("finding.json", finding.data, "the finding: its claim, its evidence, its author")
    crate.put("evidence.py", script, "the script that re-derives the claim, by the author")
    for name, code in programs(finding.claim).items():
        crate.put(f"{name}.py", code + "\n", f"the {name} that the claim is about, by the author")
    with _visible(home, finding) as folder:
        left_out += _inputs(finding, folder, answers, crate, most_mib)
        image, differs = _in_the_jail(sandbox, script, folder, answers, finding)
    crate.put_json("results.json", dict(finding.evidence.results), "the declared numbers")
    crate.put_json("verdict.json", told(finding, verdict), "the verdict, rounded to two digits")
    if figure := effects([(finding, verdict)]):
        crate.put("figure.svg", figure, "the effect on the sealed rows, with its interval")
    left_out += _exchanges(home, finding.run, crate, most_mib)
    crate.put_json("image.json", image, "the jail's Python and packages, and what they gave")
    crate.put("requirements.txt", requirements(script, image["packages"]), "what to install")
    crate.put("rerun.py", _template("rerun.py"), "checks all files, runs the script, compares")
    _describe(crate, finding, verdict, image, differs, left_out, most_mib)
    crate.put(SUMS, crate.sums(), "the hashes of all other files")
    metadata = write(crate, finding, out)
    hashes = {name: digest(data) for name, (data, _) in crate.files.items()}
    return Exported(out, hashes, metadata, differs, tuple(left_out))


@contextlib.contextmanager
def _visible(home: Home, finding: Finding) -> Iterator[Path]:
    """Yield the folder of what the author's script read: an empty one where it reads no table."""
    if not finding.claim.formal:
        yield Registry(home).visible(finding.table.table)
        return
    with tempfile.TemporaryDirectory(prefix="earnest-export-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _inputs(
    finding: Finding, folder: Path, answers: Mapping[str, bytes], crate: Crate, most_mib: float
) -> list[str]:
    """Put the script's inputs in; return what was too large. Raises `RecordError`."""
    left_out = []
    for name, data in answers.items():
        crate.put(f"data/{name}", data, "what a host answered the run, as it came")
    for name, expected in finding.evidence.inputs.items():
        if name in answers:
            continue
        path = folder / Path(name).name
        data = path.read_bytes() if path.name == name and path.is_file() else b""
        if digest(data) != expected:
            raise RecordError(f"{path} is not the finding's input any more")
        if len(data) > most_mib * 2**20:
            left_out.append(name)
        else:
            crate.put(f"data/{name}", data, "the rows that the author could see")
    return left_out


def told(finding: Finding, verdict: Verdict | None) -> dict[str, Any]:
    """Return a verdict as a crate tells it: what rests on sealed rows at two digits."""
    if verdict is None:
        return {"finding": finding.id, "word": "queued"}
    body: dict[str, Any] = _rounded(shown(verdict).model_dump(mode="json"))
    body.pop("seed", None)  # with the verifier's draws one could work back from rounded numbers
    return {**body, "verdict": verdict.id, "rounded": True}


def _rounded(value: Any) -> Any:
    """Round every number with decimals in a JSON-like value, wherever it stands."""
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _exchanges(home: Home, run: str, crate: Crate, most_mib: float) -> list[str]:
    """Put the run's recording and its bodies in; return what was too large."""
    path = home.runs / run / RECORDING
    if not path.is_file():
        return []
    recording = Exchanges.from_bytes(path.read_bytes(), home.blobs)
    crate.put("exchanges/exchanges.json", recording.to_bytes(), "what the run sent and received")
    names = {one.response_body for one in recording.items}
    names |= {one.request_body for one in recording.items if one.request_body}
    left_out = []
    for name in sorted(names):
        body, inner = home.blobs.get(name), f"exchanges/{name.removeprefix('sha256:')}"
        if len(body) > most_mib * 2**20:
            left_out.append(inner)
        else:
            crate.put(inner, body, "a body of the exchanges, named by its hash")
    return left_out


def _in_the_jail(
    sandbox: Sandbox, script: bytes, folder: Path, answers: Mapping[str, bytes], finding: Finding
) -> tuple[dict[str, Any], str]:
    """Ask a jail what it has, and run the script there; say where its numbers differ."""
    entry = ("python", "probe.py")
    asked = sandbox.run(Job(entry=entry, files={"probe.py": _PROBE}, ro_mounts={DATA: folder}))
    if not asked.ok or "image.json" not in asked.files:
        raise SandboxError(f"the jail does not say what it has: {asked.stderr[-200:]}")
    image: dict[str, Any] = parse(asked.files["image.json"])
    result = sandbox.run(evidence_job(script, folder, 1, answers=answers))
    try:
        found = evidence_numbers(result)
        differs = close(finding.evidence.results, found, finding.evidence.tolerance)
    except RecordError as error:
        found, differs = {}, f"it ended by {result.ended} {result.status} without numbers: {error}"
    return {**image, "seed": 1, "results": found, "differs": differs}, differs


def _imported(script: bytes) -> set[str] | None:
    """Return the top-level names that a script imports; None where that can't be told."""
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError):
        return None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval"):
            return None
    return None if found & {"importlib", "runpy", "pkgutil"} else found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(script: bytes, packages: Mapping[str, str]) -> str:
    """Return what a script needs, pinned: what it imports, and what that requires in turn.

    All that the jail had, where imports can't be told from the script. pyarrow goes with pandas,
    which uses it where it is there.
    """
    versions = {_plain(name): (name, version) for name, version in packages.items()}
    imported = _imported(script)
    if imported is None:
        wanted = set(versions)
    else:
        by_name = importlib.metadata.packages_distributions()
        wanted, queue = set(), [_plain(d) for name in imported for d in by_name.get(name, ())]
        while queue:
            name = queue.pop()
            if name not in versions or name in wanted:
                continue
            wanted.add(name)
            queue += _needs(name) + (["pyarrow"] if name == "pandas" else [])
    lines = sorted(f"{versions[name][0]}=={versions[name][1]}" for name in wanted)
    return "".join(f"{line}\n" for line in lines)


def _needs(name: str) -> list[str]:
    found = []
    for line in importlib.metadata.requires(name) or ():
        bare, _, marker = line.partition(";")
        if "extra" not in marker and (match := re.match(r"[\w.-]+", bare)):
            found.append(_plain(match[0]))
    return found


def _describe(
    crate: Crate,
    finding: Finding,
    verdict: Verdict | None,
    image: Mapping[str, Any],
    differs: str,
    left_out: Iterable[str],
    most_mib: float,
) -> None:
    inputs = finding.evidence.inputs
    given = "For this export it was run in the jail, "
    values = {
        "sentence": " ".join(sentence(finding.claim).split()),
        "verdict": {"effect": None, "not_covered": (), "reason": "", **told(finding, verdict)},
        "id": finding.id,
        "formal": finding.claim.formal,
        "author": " ".join(finding.author.model.split()),
        "run": finding.run,
        "python": image["python"],
        "tolerance": f"{finding.evidence.tolerance:g}",
        "rerun": given
        + (f"and did not agree: {differs}." if differs else "and gave the declared numbers."),
        "with_data": not set(left_out) & set(inputs),
        "most": f"{most_mib:g}",
        "inputs": ", ".join(f"`{name}` ({hash_})" for name, hash_ in inputs.items()),
        "files": [{"name": name, "what": what} for name, (_, what) in sorted(crate.files.items())],
        "version": VERSION,
    }
    from jinja2 import Environment, StrictUndefined

    # Plain text, and shown as such: nothing in it is rendered as a page by us.
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701
    )
    page = environment.from_string(_template("crate.md").decode()).render(values)
    crate.put("README.md", page, "what this is, and how to run it again")


def _template(name: str) -> bytes:
    return (Path(__file__).parent / "templates" / name).read_bytes()
