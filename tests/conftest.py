"""Fixtures that several rooms' tests need."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from earnest.core.errors import LackError
from tests.homes import home_at

# The same examples each time, and none fails for being slow: whether a commit passes is not to
# hang on luck or on what else the machine does. `--hypothesis-profile default` draws new ones.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

# Who is started in the background of a shell ignores Ctrl-C, and so do the programs it starts, of
# which some tests ask that they heed it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Keep a file's tests together where several workers share them, and all of the sandbox's.

    A file's tests share what is made for it once; the sandbox's load the machine, and measure it.
    """
    for item in items:
        room = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(room if room == "sandbox" else str(item.path)))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """The sandbox that this machine gets; its image is built once a session."""
    from earnest.sandbox.choose import open_sandbox

    try:
        found = open_sandbox(tmp_path_factory.mktemp("images"))
    except LackError as error:
        pytest.skip(f"no sandbox here: {error} ({error.mend})")
    yield found
    found.close()


@pytest.fixture
def home(tmp_path):
    """A home that seals the same rows of a table each time."""
    return home_at(tmp_path / "home")


@pytest.fixture(scope="session")
def redaction_rules(tmp_path_factory):
    """A folder with the detector's rules, compiled once a session."""
    from earnest.capture.redact import Redactor

    folder = tmp_path_factory.mktemp("redaction")
    Redactor(folder)
    return folder
