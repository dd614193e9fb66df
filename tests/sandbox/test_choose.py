from pathlib import Path

import pytest

from earnest.core.errors import EarnestError, LackError, SandboxError, UsageError
from earnest.core.jobs import DATA, Job, Result
from earnest.sandbox import choose
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.container import ContainerSandbox
from earnest.sandbox.machine import Asked, Facts
from earnest.sandbox.sandlock import SandlockSandbox
from earnest.sandbox.unsafe import UnsafeLocal


def the_first_that_works(image):
    for name in choose.BACKENDS:
        sandbox, _ = choose._tried(name, image)
        if sandbox is not None:
            sandbox.close()
            return name
    return None


class Lenient:
    """A sandbox that answers the self-test as it is told to, and confines nothing."""

    name = "lenient"

    def __init__(self, **lines: str) -> None:
        self.lines = lines
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def run(self, job: Job) -> Result:
        if "time.sleep" in job.entry[2]:
            ended = "exit" if "slow" in self.lines else "timeout"
            return Result(ended, 0, "", "", {}, 0.0)
        token = Path(job.ro_mounts[DATA], "visible").read_text()
        said = {"environment": "clean", "root": "False", "host": "refused", "network": "refused"}
        said |= {"write:/": "refused"} | self.lines
        text = "\n".join([f"data {token}", *(f"{a} {b}" for a, b in said.items()), "done"])
        files = {} if "lost" in self.lines else {"kept": token.encode()}
        return Result("exit", int(self.lines.get("status", 0)), text, "", files, 0.0)


def test_the_proof_accepts_what_refuses_everything(image):
    choose.prove(Lenient(), image)


@pytest.mark.parametrize(
    "lines",
    [
        {"host": "allowed"},
        {"network": "allowed"},
        {"write:/": "allowed"},
        {"environment": "leaks"},
        {"root": "True"},
        {"status": "1"},
        {"lost": ""},
        {"slow": ""},
    ],
    ids=str,
)
def test_the_proof_rejects_what_lets_anything_through(image, lines):
    with pytest.raises(SandboxError):
        choose.prove(Lenient(**lines), image)


def test_opening_gives_the_first_sandbox_that_works(tmp_path, image):
    expected = the_first_that_works(image)
    if expected is None:
        pytest.skip("no sandbox can be had here")
    sandbox = choose.open_sandbox(tmp_path)
    assert sandbox.name == expected
    result = sandbox.run(Job(("python", "-c", "print(6 * 7)")))
    sandbox.close()
    assert (result.ok, result.stdout) == (True, "42\n")


def test_without_any_nothing_is_handed_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in choose.BACKENDS:
        monkeypatch.setitem(choose.BACKENDS, name, choose.BACKENDS["bwrap"])
    with pytest.raises(LackError, match="bubblewrap is not installed") as caught:
        choose.open_sandbox(tmp_path / "images")
    assert "apt-get install bubblewrap" in caught.value.mend
    assert caught.value.exit_status == 3


def only(monkeypatch, **openers):
    """Let these be all the backends there are, tried in this order."""
    monkeypatch.setattr(choose, "BACKENDS", openers)


def test_a_sandbox_that_fails_its_proof_is_not_handed_out(tmp_path, monkeypatch):
    leaky = Lenient(host="allowed")
    only(monkeypatch, bwrap=lambda _: leaky)
    with pytest.raises(LackError, match="lets through"):
        choose.open_sandbox(tmp_path, prefer="bwrap")
    assert leaky.closed
    only(monkeypatch, bwrap=lambda _: leaky, sandlock=lambda _: Lenient())
    assert choose.open_sandbox(tmp_path).name == "lenient"
    assert choose.probe(tmp_path)["sandlock"] == "ok"
    assert "lets through" in choose.probe(tmp_path)["bwrap"]


def test_examining_says_what_is_lacking_and_the_mend(tmp_path, monkeypatch):
    def lacking(_):
        raise LackError("not installed", mend="get it")

    good = Lenient()
    good.soft = ("memory",)
    only(monkeypatch, bwrap=lacking, sandlock=lambda _: good)
    said = []
    states = dict(choose.examine(tmp_path, said.append))
    assert states["bwrap"] == choose.State(False, "not installed", "get it")
    assert states["sandlock"] == choose.State(True, "ok (memory: soft)")
    assert good.closed
    assert said == ["trying bwrap ...", "trying sandlock ..."]


def test_unknown_names(tmp_path):
    with pytest.raises(LackError, match="no sandbox 'docker'") as caught:
        choose.open_sandbox(tmp_path, prefer="docker")
    assert "container" in caught.value.mend


def test_without_isolation_only_by_name(tmp_path, monkeypatch):
    assert choose.UNSAFE not in choose.BACKENDS
    sandbox = choose.open_sandbox(tmp_path, prefer=choose.UNSAFE)
    assert (sandbox.name, sandbox.isolates) == ("unsafe-local", False)
    assert "isolates nothing" in sandbox.gives_up
    only(monkeypatch)
    with pytest.raises(LackError):
        choose.open_sandbox(tmp_path)


@pytest.mark.parametrize("backend", [BwrapSandbox, SandlockSandbox, ContainerSandbox])
def test_what_isolates_may_grade(backend):
    choose.require_isolation(object.__new__(backend), "a grade")


@pytest.mark.parametrize(
    "sandbox", [object.__new__(UnsafeLocal), Lenient()], ids=["unsafe", "mute"]
)
def test_what_does_not_say_that_it_isolates_may_not_grade(sandbox):
    with pytest.raises(UsageError, match="a grade must not rest on it") as caught:
        choose.require_isolation(sandbox, "a grade")
    assert "--sandbox" in caught.value.mend


def test_apparmor_is_named_where_it_is_the_cause(tmp_path):
    kernel = tmp_path / "proc/sys/kernel"
    kernel.mkdir(parents=True)
    setting = kernel / "apparmor_restrict_unprivileged_userns"
    errors = {"bwrap": EarnestError("it fails")}
    for written, named in (("1\n", True), ("0\n", False)):
        setting.write_text(written)
        facts = Facts.read(Asked("Linux", "6.8.0", False, bwrap="0.9.0"), tmp_path)
        mend = choose.mend_for(errors, facts)
        assert ("apparmor_parser -r /etc/apparmor.d/bwrap" in mend) is named
    assert "apparmor" not in choose.mend_for({"sandlock": EarnestError("it fails")}, facts)
