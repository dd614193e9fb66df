from pathlib import Path

import pytest

from earnest.core.errors import LackError, SandboxError
from earnest.core.jobs import DATA, Job, Result
from earnest.sandbox import choose


@pytest.fixture(scope="module")
def needs_bwrap():
    if choose.probe()["bwrap"] != "ok":
        pytest.skip("bubblewrap can't be had here")


class Lenient:
    """A sandbox that answers the self-test as it is told to, and confines nothing."""

    name = "lenient"

    def __init__(self, **lines: str) -> None:
        self.lines = lines

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


def test_opening_gives_a_sandbox_that_works(needs_bwrap, tmp_path):
    sandbox = choose.open_sandbox(tmp_path)
    assert sandbox.name == "bwrap"
    result = sandbox.run(Job(("python", "-c", "print(6 * 7)")))
    assert (result.ok, result.stdout) == (True, "42\n")


def test_without_any_nothing_is_handed_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(choose.BACKENDS, "sandlock", choose.BACKENDS["bwrap"])
    with pytest.raises(LackError, match="bubblewrap is not installed") as caught:
        choose.open_sandbox(tmp_path / "images")
    assert "apt-get install bubblewrap" in caught.value.mend
    assert caught.value.exit_status == 3


def test_a_sandbox_that_fails_its_proof_is_not_handed_out(tmp_path, monkeypatch):
    monkeypatch.setitem(choose.BACKENDS, "bwrap", lambda _: Lenient(host="allowed"))
    with pytest.raises(LackError, match="lets through"):
        choose.open_sandbox(tmp_path, prefer="bwrap")
    monkeypatch.setitem(choose.BACKENDS, "sandlock", lambda _: Lenient())
    assert choose.open_sandbox(tmp_path).name == "lenient"
    assert choose.probe(tmp_path)["sandlock"] == "ok"
    assert "lets through" in choose.probe(tmp_path)["bwrap"]


def test_unknown_names(tmp_path):
    with pytest.raises(LackError, match="no sandbox 'docker'"):
        choose.open_sandbox(tmp_path, prefer="docker")


def test_apparmor_is_named_where_it_is_the_cause(tmp_path, monkeypatch):
    setting = tmp_path / "restrict"
    setting.write_text("1\n")
    monkeypatch.setattr(choose, "_RESTRICTED", setting)
    monkeypatch.setitem(choose.BACKENDS, "bwrap", lambda _: Lenient(status="1"))
    with pytest.raises(LackError) as caught:
        choose.open_sandbox(tmp_path / "images", prefer="bwrap")
    assert "apparmor_restrict_unprivileged_userns=0" in caught.value.mend
