"""One zygote, from the supervisor's side."""

import time
from pathlib import Path

import pytest

from earnest.core.errors import SandboxError
from earnest.core.jobs import Job, Limits
from earnest.sandbox.bubble import Bubble
from earnest.sandbox.worker import Worker

NOTHING = ([], [])


@pytest.fixture
def worker(image):
    found = Worker(Bubble(image), ("json",))
    yield found
    found.kill()


def job(source, **limits):
    return Job(("python", "-c", source), limits=Limits(**{"wall_s": 10.0, **limits}))


def run(worker, asked):
    ended = []
    result = worker.start(asked, NOTHING, lambda: ended.append(True)).finish()
    assert ended == [True]
    return result


def test_it_runs_one_job_after_another(worker):
    for number in range(5):
        assert run(worker, job(f"print({number})")).stdout == f"{number}\n"
        assert worker.idle()


def test_what_can_not_be_imported_is_said(image):
    with pytest.raises(SandboxError, match=r"(?s)did not start.*nowhere"):
        Worker(Bubble(image), ("nowhere",))


def test_a_module_that_starts_a_thread_is_refused(image, tmp_path):
    folder = tmp_path / "image"
    folder.mkdir()
    text = "import threading, time\n"
    text += "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    (folder / "threaded.py").write_text(text)
    (folder / "plain.py").write_text("")
    tmp_path.chmod(0o755)
    Worker(Bubble(folder), ("plain",)).kill()
    with pytest.raises(SandboxError, match="started a thread"):
        Worker(Bubble(folder), ("threaded",))


def test_one_that_is_not_fit_says_so(worker):
    assert worker.idle()
    worker._tell(b"K", worker._number + 1)  # which ends the child that waits for the next job
    end = time.monotonic() + 60
    while worker.idle():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_that_was_ended_runs_nothing_more(worker):
    process = worker._process.pid
    worker.kill()
    assert not worker.alive
    assert not Path(f"/proc/{process}").exists()
    with pytest.raises(SandboxError, match="gone"):
        worker.start(job("1"), NOTHING, lambda: None)
    worker.kill()


def test_ended_while_a_job_runs_its_descriptors_stay_until_the_job_is_through(worker):
    running = worker.start(job("import time; time.sleep(60)"), NOTHING, worker.kill)
    held = worker._talk.fileno()
    running.files()  # it stands
    start = time.monotonic()
    worker.kill()
    assert worker._talk.fileno() == held
    result = running.finish()
    assert time.monotonic() - start < 30
    assert not result.ok
    assert not running.clean
    assert worker._talk.fileno() == -1


def test_a_word_for_another_job_is_dropped(worker):
    running = worker.start(job("import time; time.sleep(0.5); print(1)"), NOTHING, lambda: None)
    worker._tell(b"K", worker._number - 1)
    worker._tell(b"K", worker._number + 1)
    assert running.finish().stdout == "1\n"
    running = worker.start(job("import time; time.sleep(60)"), NOTHING, lambda: None)
    worker._tell(b"K", worker._number)
    assert running.finish().ended == "timeout"


def test_its_end_of_a_talk_is_passed_to_the_job(worker):
    source = "import socket; socket.socket(fileno=3).sendall(b'hi')"
    running = worker.start(job(source), NOTHING, lambda: None, line=True)
    assert running.receive(2, 10) == b"hi"
    assert running.receive(1, 10) == b""
    assert running.close().ok
