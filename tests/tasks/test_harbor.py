"""Harbor task folders are read without a container: what is laid out, what is missing, refused."""

import pytest

from earnest.core.errors import UsageError
from earnest.core.testbed import UnusableError
from earnest.tasks.harbor import read_task, read_tasks

TOML = 'schema_version = "1.4"\n\n[task]\nname = "org/one"\n'
DOCKER = """# a comment
FROM python:3.11-slim
RUN apt-get update && \\
    apt-get install -y git
WORKDIR /srv
WORKDIR app
COPY a.txt b.txt ./
COPY src/ /srv/app/lib
COPY ["c d.txt", "named.txt"]
COPY a.txt /etc/a.txt
COPY --from=build /x /y
"""


@pytest.fixture
def folder(tmp_path):
    files = {
        "task.toml": TOML,
        "instruction.md": "<!-- canary 1 -->\n\nDo it.\n",
        "environment/Dockerfile": DOCKER,
        "environment/a.txt": "A",
        "environment/b.txt": "B",
        "environment/c d.txt": "C",
        "environment/src/m.py": "M",
        "environment/src/in/n.py": "N",
        "tests/test.sh": "echo 1 > /logs/verifier/reward.txt",
        "tests/Dockerfile": "FROM scratch",
        "solution/solve.sh": "true",
    }
    for name, text in files.items():
        path = tmp_path / "one" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "one"


def test_the_workspace_is_what_the_dockerfile_copies(folder):
    one, secrets = read_task(folder)
    assert one.files == {
        "a.txt": b"A", "b.txt": b"B", "lib/m.py": b"M", "lib/in/n.py": b"N", "named.txt": b"C",
    }  # fmt: skip
    assert one.task.prompt == "Do it."
    assert one.task.metadata["item"] == "org/one"
    assert (secrets.script.workdir, secrets.script.takes) == ("/srv/app", ())
    assert set(secrets.script.files) == {"test.sh"}
    assert (one.offers, one.shown, secrets.twin) == ((), (), False)


def test_what_cannot_be_had_without_docker_is_said(folder):
    unmet = read_task(folder)[0].task.metadata["unmet"]
    assert "RUN apt-get update &&" in unmet
    assert "--from=build" in unmet
    assert "1 files outside of /srv/app" in unmet


def test_a_separate_verifier_takes_the_artifacts(folder):
    more = 'artifacts = ["out.txt", {source = "/data/x"}]\n'
    (folder / "task.toml").write_text(more + TOML + '[verifier]\nenvironment_mode = "separate"\n')
    assert read_task(folder)[1].script.takes == ("/srv/app/out.txt", "/data/x", "/logs/artifacts")


def test_visible_tests_are_an_affordance(folder):
    (folder / "environment" / "Dockerfile").write_text("WORKDIR /app\nCOPY . .\n")
    (folder / "environment" / "tests").mkdir()
    (folder / "environment" / "tests" / "test_a.py").write_text("")
    one, _ = read_task(folder)
    assert one.offers == ("tests",)
    assert "Dockerfile" not in one.files


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("task.toml", "no = [", "task.toml"),
        ("task.toml", TOML + '[[steps]]\nname = "a"\n', "several steps"),
        ("task.toml", TOML + '[environment]\nos = "windows"\n', "not for Linux"),
        ("instruction.md", "\n", "empty"),
    ],
)
def test_other_tasks_are_refused(folder, name, text, why):
    (folder / name).write_text(text)
    with pytest.raises(UnusableError, match=why):
        read_task(folder)


def test_links_are_not_followed(folder, tmp_path):
    (tmp_path / "secret").write_text("S")
    (folder / "environment" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UnusableError, match="a link"):
        read_task(folder)


def test_nothing_from_outside_the_context_is_copied(folder, tmp_path):
    (tmp_path / "secret").write_text("S")
    (folder / "environment" / "Dockerfile").write_text("WORKDIR /app\nCOPY ../../secret ./\n")
    one, _ = read_task(folder)
    assert not one.files
    assert "secret" in one.task.metadata["unmet"]


def test_a_script_is_needed(folder):
    (folder / "tests" / "test.sh").unlink()
    with pytest.raises(UnusableError, match=r"test\.sh"):
        read_task(folder)


def test_a_folder_of_tasks(folder, tmp_path):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "task.toml").write_text("x")
    (one, two) = read_tasks(tmp_path)
    assert not isinstance(one[1], str)
    assert isinstance(two[1], str)
    assert read_tasks(folder)[0][0] == "one"
    with pytest.raises(UsageError):
        read_tasks(tmp_path / "none")
