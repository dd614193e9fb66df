import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.homes import home_at
from tests.ledger.test_history import dataset
from tests.ledger.test_ledger import finding, submit, verdict

from earnest.cli import main
from earnest.core.canon import canonical
from earnest.core.home import Home, write_whole
from earnest.core.sign import KeyFolder
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    home = home_at(tmp_path / "home")
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    monkeypatch.delenv("EARNEST_VERIFIER", raising=False)
    return home


@pytest.fixture
def found(own_home):
    """A confirmed finding, signed, with its script."""
    one = finding("weight")
    script = own_home.blobs.put(b"print()\n")
    one = one.model_copy(update={"evidence": one.evidence.model_copy(update={"script": script})})
    with Ledger(own_home.ledger, KeyFolder(own_home.verifier)) as ledger:
        submit(ledger, one)
        ledger.conclude(verdict(one, alpha=ledger.alpha(one.id)))
        ledger.stamp()
    return one


def told(capsys, *arguments, status=0):
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_retracting_says_what_was_trained_on_it_and_it_stays_findable(found, own_home, capsys):
    with Ledger(own_home.ledger) as ledger:
        taught = dataset(ledger.verdict(found.id).id)
        ledger.add(taught)
    made = told(capsys, "findings", "retract", found.id[:20], "--why", "wrong units", "--by", "ada")
    assert made["datasets"] == [taught.id]
    assert (made["by"], made["why"]) == ("ada", "wrong units")
    for arguments in (("list",), ("search", "weight")):
        (row,) = told(capsys, "findings", *arguments)["findings"]
        assert row["retracted"] is True
        assert row["verdict"] == "confirmed"
        assert main(["findings", *arguments]) == 0
        assert "RETRACTED" in capsys.readouterr().out
    shown = told(capsys, "findings", "show", found.id[:20])
    assert shown["retraction"] == {"by": "ada", "why": "wrong units"}
    assert main(["findings", "show", found.id[:20]]) == 0
    assert "RETRACTED by ada: wrong units" in capsys.readouterr().out
    assert told(capsys, "ledger", "stats")["retracted"] == 1
    audited = told(capsys, "ledger", "audit")
    assert audited["clean"]
    assert audited["stamped"] == audited["records"]


def test_a_retraction_says_why(found, capsys):
    assert main(["findings", "retract", found.id[:20]]) == 2
    assert "--why" in capsys.readouterr().err
    assert "retracted" not in told(capsys, "findings", "list")["findings"][0]


def test_a_long_list_shows_the_newest_and_says_how_many_there_are(own_home, capsys):
    batch = [finding(f"column{number}") for number in range(105)]
    with Ledger(own_home.ledger) as ledger:
        ledger.submit(batch, testable=[])
    listed = told(capsys, "findings", "list")
    assert [one["id"] for one in listed["findings"]] == [one.id for one in batch[5:]]
    assert listed["total"] == 105
    assert len(told(capsys, "findings", "list", "--limit", "0")["findings"]) == 105
    two = told(capsys, "findings", "list", "--limit", "2")
    assert [one["id"] for one in two["findings"]] == [one.id for one in batch[-2:]]
    assert main(["findings", "list", "--limit", "2"]) == 0
    assert "103 older ones are not shown: --limit 0" in capsys.readouterr().out
    assert told(capsys, "findings", "list", "--word", "confirmed")["total"] == 0
    assert len(told(capsys, "findings", "search", "tends")["findings"]) == 20
    assert len(told(capsys, "findings", "search", "tends", "--limit", "30")["findings"]) == 30
    with pytest.raises(SystemExit):
        main(["findings", "list", "--limit", "-1"])


def test_the_history_is_shown(found, own_home, capsys):
    with Ledger(own_home.ledger, KeyFolder(own_home.verifier)) as ledger:
        ledger.revise(verdict(found, "refuted"), kind="reopened", why="contradicted by another")
    shown = told(capsys, "findings", "show", found.id[:20])
    assert [one["word"] for one in shown["history"]] == ["confirmed", "refuted"]
    assert shown["verdict"] == "refuted"
    assert shown["signature"]["payloadType"] == "application/vnd.in-toto+json"
    assert main(["findings", "show", found.id[:20]]) == 0
    assert "before: confirmed, then contradicted by another" in capsys.readouterr().out


def test_the_budget_is_shown(found, capsys):
    document = told(capsys, "ledger", "stats")
    (purse,) = document["principals"]
    assert (purse["principal"], purse["tests"], purse["rejections"]) == ("me", 1, 1)
    assert document["tables"] == [{"table": found.table.table, "looks": 1, "limit": 1000}]
    assert main(["ledger", "stats"]) == 0
    printed = capsys.readouterr().out
    assert "error budget of me: 1 tests, 1 rejections" in printed
    assert "1 of 1000 looks" in printed


@pytest.mark.parametrize("mode", [(), ("--quick",)])
def test_an_audit_asks_for_the_key(found, own_home, capsys, mode):
    document = told(capsys, "ledger", "audit", *mode)
    assert document["clean"]
    assert document["key"] == KeyFolder(own_home.verifier).public()
    assert document["deep"] is not bool(mode)
    other = "ed25519:" + "A" * 43 + "="
    document = told(capsys, "ledger", "audit", "--key", other, *mode, status=1)
    assert "the trusted key is" in document["problem"]


def test_the_verifiers_own_stamp_is_looked_at(found, own_home, capsys):
    stamp = json.loads(KeyFolder(own_home.verifier).stamp.read_bytes())
    stamp["signatures"][0]["sig"] = "A" * 86 + "=="
    write_whole(KeyFolder(own_home.verifier).stamp, canonical(stamp))
    assert "the signature is wrong" in told(capsys, "ledger", "audit", status=1)["problem"]


def test_the_verifier_shows_its_public_key_and_never_the_other(own_home, capsys):
    assert told(capsys, "verifier", "show")["public"] == ""
    with Ledger(own_home.ledger, KeyFolder(own_home.verifier)) as ledger:
        ledger.stamp()
    assert main(["verifier", "show"]) == 0
    printed = capsys.readouterr().out
    assert KeyFolder(own_home.verifier).public() in printed
    assert "PRIVATE" not in printed


def test_with_nothing_queued_the_verifier_ends(capsys):
    assert told(capsys, "verifier", "run", "--once") == {"version": 1, "verified": 0}


AS_ANOTHER = """
import os, sys
from earnest.core.home import Home
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
os.environ["EARNEST_VERIFIER"] = sys.argv[2]
from pathlib import Path
home = Home(Path(sys.argv[1]))
print([one.word for one in apart.verify(home, [sys.argv[4]], print)])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="two accounts are needed: run as root")
def test_an_account_without_the_key_waits_for_the_one_that_has_it():
    with tempfile.TemporaryDirectory(prefix="earnest-test-") as name:
        Path(name).chmod(0o755)
        two_accounts(Path(name))


def two_accounts(folder):
    user, keys = 65534, KeyFolder(folder / "verifier")
    keys.signer()
    home = Home(folder / "theirs")
    one = finding("weight")
    with Ledger(home.ledger) as ledger:
        submit(ledger, one)
    for path in (home.root, *home.root.iterdir()):
        os.chown(path, user, user)
    command = [sys.executable, "-c", AS_ANOTHER, str(home.root), str(keys.root), str(user), one.id]
    waiting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert "waiting for the verifier" in waiting.stdout.readline()
    time.sleep(0.5)
    assert waiting.poll() is None
    with Ledger(home.ledger, keys) as ledger:
        ledger.conclude(verdict(one))
    assert waiting.communicate(timeout=120)[0] == "['confirmed']\n"


def test_verification_signs_and_stamps(own_home, monkeypatch, sandbox):
    """What the verifying processes write is signed: the finding is invalid, and says so."""
    one = finding("weight")
    with Ledger(own_home.ledger) as ledger:
        submit(ledger, one)
    assert [found.word for found in apart.verify(own_home, [one.id], lambda _: None)] == ["invalid"]
    apart.close()
    with Ledger(own_home.ledger) as ledger:
        found = ledger.verdict(one.id)
        assert ledger.signature(found.id) is not None
        assert ledger.key() == KeyFolder(own_home.verifier).public()
    from earnest.ledger.audit import audit

    found = audit(own_home.ledger, keys=KeyFolder(own_home.verifier))
    assert (found.clean, found.unsigned, found.stamped) == (True, 0, found.records)
