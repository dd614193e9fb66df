"""What the tests of captured transcripts share."""

import json

import pytest

pytest.importorskip("kingfisher_sdk", reason="extra capture is not installed")


@pytest.fixture(scope="session")
def rules(redaction_rules):
    """A redactor whose rules the others share."""
    from earnest.capture.redact import Redactor

    return Redactor(redaction_rules)


@pytest.fixture
def importer(home, rules, monkeypatch):
    """Makes importers for the test's home."""
    from earnest.capture.sweep import Importer

    def make(**options):
        made = Importer(home.root, **options)
        made.__dict__["_rules"] = rules
        return made

    return make


def claude_line(number, text="", *, role="assistant", session="s-1", blocks=(), **extra):
    """A line as Claude Code writes it."""
    content = [*({"type": "text", "text": text} for _ in range(bool(text))), *blocks]
    return json.dumps(
        {
            "uuid": f"u-{number}",
            "parentUuid": f"u-{number - 1}" if number else None,
            "sessionId": session,
            "cwd": "/somewhere/project",
            "type": role,
            "timestamp": f"2026-11-25T10:00:{number % 60:02}.000Z",
            "message": {"role": role, "content": content, "model": "claude-x"},
            **extra,
        }
    )


@pytest.fixture
def line():
    return claude_line
