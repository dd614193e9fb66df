import json
import os
import signal
import subprocess
import sys
import time

import pytest

from earnest.core.errors import EarnestError, LogError
from earnest.core.events import EventLog, read_events


def filled(path, count=5):
    with EventLog(path) as log:
        for number in range(count):
            log.append("step", {"number": number, "text": 'é\n"'})
    return path


def test_what_was_appended_is_read_back_in_order(tmp_path):
    path = filled(tmp_path / "events.jsonl")
    with EventLog(path) as log:
        log.append("end", {})
    events = list(read_events(path))
    assert [event.kind for event in events] == ["step"] * 5 + ["end"]
    assert [event.payload["number"] for event in events[:5]] == [0, 1, 2, 3, 4]


def test_a_torn_last_line_is_cut_off(tmp_path):
    path = filled(tmp_path / "events.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert len(list(read_events(path))) == 4
    with EventLog(path) as log:
        log.append("step", {"number": 4, "text": 'é\n"'})
    assert path.read_bytes() == whole


def test_any_changed_byte_is_found(tmp_path):
    path = filled(tmp_path / "events.jsonl", 3)
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(LogError, match="line"):
            list(read_events(path))


def test_removed_and_swapped_lines_are_found(tmp_path):
    path = filled(tmp_path / "events.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    for broken in (lines[1:], [lines[0], lines[2], lines[1]], [lines[0], *lines[2:]]):
        path.write_bytes(b"".join(broken))
        with pytest.raises(LogError):
            EventLog(path)


def test_two_writers_are_refused(tmp_path):
    with EventLog(tmp_path / "events.jsonl"), pytest.raises(EarnestError, match="another process"):
        EventLog(tmp_path / "events.jsonl")


WRITER = """
import sys
from pathlib import Path
from earnest.core.events import EventLog
log = EventLog(Path(sys.argv[1]))
while True:
    event = log.append("step", {"number": len(log.events), "filler": "x" * 3000})
    print(event.number, flush=True)
"""


def test_a_killed_writer_loses_no_finished_event(tmp_path):
    path = tmp_path / "events.jsonl"
    for wait in (0.01, 0.03, 0.07):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        )
        writer.stdout.readline()
        time.sleep(wait)
        os.kill(writer.pid, signal.SIGKILL)
        told = writer.stdout.read().split()
        writer.wait()
        events = list(read_events(path))
        assert len(events) >= (int(told[-1]) + 1 if told else 1)
        assert [event.payload["number"] for event in events] == list(range(len(events)))
    assert json.loads(path.read_bytes().splitlines()[0])["kind"] == "step"
