"""Fixtures that several rooms' tests need."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from earnest.core.errors import LackError
from tests.homes import home_at, images

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


# Rooms whose files take long come first: what is short fills up what is left of a worker's time.
FIRST = ("sandbox", "recipes", "tests", "serve", "models", "train", "tools", "verify")


def pytest_collection_modifyitems(items):
    """Begin with the rooms that take long."""
    places = {room: number for number, room in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a file's tests together where several workers share them, and all of the sandbox's.

    A file's tests share what is made for it once; the sandbox's load the machine, and measure it.
    (The marks that xdist has for that do nothing with pytest 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, _ = nodeid.partition("::")
            return "sandbox" if file.startswith("tests/sandbox/") else file

    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _images(tmp_path_factory, worker_id):
    """Tell all homes of tests, and all workers, where their one image lies."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "images-of-all"
    os.environ["EARNEST_TEST_IMAGES"] = str(folder)


@pytest.fixture(scope="session")
def sandbox():
    """The sandbox that this machine gets; its image is built once a session."""
    from earnest.sandbox.choose import open_sandbox

    try:
        found = open_sandbox(images())
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
