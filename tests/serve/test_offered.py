"""The tools, whatever carries them: whose batch a question closes."""

import pytest
from tests.ledger.test_ledger import finding

from earnest.core.errors import LedgerError
from earnest.recipes.desk import submission
from earnest.serve.answers import Answers
from earnest.serve.offered import Caller, Offered


class Desk:
    """Takes what it is given, and notes what is settled."""

    def __init__(self):
        self.settled = []

    def tables(self):
        return []

    def submit(self, principal, session, arguments):
        return finding(arguments["outcome"])

    def settle(self, principal, session):
        self.settled.append((principal, session))


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def ask(home, desk):
    """Call a tool as one who has a session."""
    offered = Offered(Answers(home.ledger, home.blobs), desk, submission())

    def call(tool, session="", **arguments):
        return offered.call(tool, arguments, Caller("me", session))

    return call


def test_a_question_closes_the_batch_that_it_is_about(ask, desk):
    made = [ask("submit_finding", f"s-{name}", outcome=name)["id"] for name in ("a", "b")]
    with pytest.raises(LedgerError):
        ask("verification_status", id=made[1][: len("sha256:") + 8])
    assert desk.settled == [("me", "s-b")]


def test_what_could_be_anybodys_closes_nobodys(ask, desk):
    made = ask("submit_finding", "s-a", outcome="a")["id"]
    for name in (made[: len("sha256:") + 1], made[: len("sha256:") + 7], "sha256:" + "g" * 8):
        with pytest.raises(LedgerError):
            ask("verification_status", id=name)
    assert desk.settled == []
