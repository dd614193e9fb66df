"""Grading repositories by pytest: what holds, and what is known to be forgeable."""

import shutil

import pytest

from earnest.core.errors import LackError, UsageError
from earnest.sandbox import image as image_module
from earnest.sandbox.forgeries.repository import EXPECTED, RIGHT, TEST, TESTS, WRONG
from earnest.sandbox.repo import grade_repository, neutral


def encoded(*parts):
    return {name: text.encode() for part in parts for name, text in part.items()}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    from earnest.sandbox.bwrap import BwrapSandbox

    folder = tmp_path_factory.mktemp("images")
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_module, "TOP_LEVEL", ("pytest",))
        return BwrapSandbox(image_module.build_image(folder))


@pytest.mark.parametrize("folder", ["", "src/"])
def test_right_work_passes_and_wrong_work_does_not(sandbox, folder):
    def grade(files):
        moved = {f"{folder}{name}": text for name, text in files.items()}
        return grade_repository(sandbox, encoded(moved), encoded(TESTS), EXPECTED)

    good, bad = grade(RIGHT), grade(WRONG)
    assert good.passed
    assert good.strength == bad.strength == "weak"
    assert [outcome.said for outcome in good.outcomes] == list(EXPECTED)
    assert not bad.passed
    assert bad.why == "failed test"


def test_every_expected_test_must_have_run_and_no_other(sandbox):
    def why(tests, expected):
        return grade_repository(sandbox, encoded(RIGHT), encoded(tests), expected).why

    assert why(TESTS, EXPECTED) == ""
    assert why(TESTS, (*EXPECTED, f"{TEST}::test_more")) == "missing test"
    assert why(TESTS, EXPECTED[:-1]) == "unexpected test"
    skipped = {TEST: "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"}
    assert why(skipped, [f"{TEST}::test_a"]) == "failed test"
    expected_to_fail = {TEST: "import pytest\n@pytest.mark.xfail\ndef test_a(): pass\n"}
    assert why(expected_to_fail, [f"{TEST}::test_a"]) == "failed test"
    torn = {
        TEST: "import pytest\n@pytest.fixture\ndef a():\n    yield\n    1 / 0\n"
        "def test_a(a): pass\n"
    }
    assert why(torn, [f"{TEST}::test_a"]) == "failed test"


def test_the_tests_own_conftest_is_used(sandbox):
    tests = {
        "tests/conftest.py": "import pytest\n@pytest.fixture\ndef two(): return 2\n",
        TEST: "from pkg import running_max\ndef test_a(two): assert running_max([two]) == [2]\n",
    }
    own = {"conftest.py": "raise SystemExit(0)\n"}
    grade = grade_repository(sandbox, encoded(RIGHT, own), encoded(tests), [f"{TEST}::test_a"])
    assert grade.passed


def test_what_steers_pytest_is_left_out():
    kept = encoded(
        {
            "pkg/__init__.py": "",
            "pkg/data.txt": "",
            "pyproject.toml": "[project]\nname='pkg'\n",
            "tests/test_own.py": "",
            "tests/__init__.py": "",
        }
    )
    dropped = encoded(
        dict.fromkeys(
            [
                "conftest.py", "pkg/conftest.py", "pytest.ini", "tox.ini", "setup.cfg",
                "sitecustomize.py", "usercustomize.py", "x.pth", "pytest.py", "_pytest/a.py",
                "pluggy/__init__.py", "tests/__pycache__/test_pkg.cpython-311.pyc",
                "tests/test_pkg.cpython-311-x86_64-linux-gnu.so", "tests/test_pkg/__init__.py",
                "pytest.cpython-311.so",
            ],
            "",
        )
    )  # fmt: skip
    assert neutral({**kept, **dropped}, encoded(TESTS)) == kept
    for text in ("[tool.pytest.ini_options]\n", "[ 'tool' . \"pytest\" ]\n", "x=1\n [tool.pytest]"):
        assert neutral({"pyproject.toml": text.encode()}, {}) == {}


def test_the_candidate_cannot_write_over_the_tests(sandbox):
    files = encoded(WRONG, {TEST: "def test_type(): pass\n"})
    assert not grade_repository(sandbox, files, encoded(TESTS), EXPECTED).passed


def test_what_cannot_be_graded_is_refused(sandbox, tmp_path):
    class Open:
        name, isolates = "open", False

    with pytest.raises(UsageError, match="isolates"):
        grade_repository(Open(), {}, encoded(TESTS), EXPECTED)
    for expected in ((), ("a", "a")):
        with pytest.raises(UsageError, match="ids"):
            grade_repository(sandbox, {}, encoded(TESTS), expected)
    from earnest.sandbox.bwrap import BwrapSandbox

    tmp_path.chmod(0o755)
    with pytest.raises(LackError) as error:
        grade_repository(BwrapSandbox(tmp_path), encoded(RIGHT), encoded(TESTS), EXPECTED)
    assert "pytest" in error.value.mend
