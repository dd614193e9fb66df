import json
import subprocess
import sys

from earnest.verify import evidence_clock

PROGRAM = """
import datetime, json, pickle, sys, time
from datetime import date, datetime as moment
import pandas as pd

then = moment(2020, 1, 2)
print(json.dumps({
    "clocks": [
        time.time(), time.time_ns() / 1e9, time.clock_gettime(time.CLOCK_REALTIME),
        time.mktime(time.localtime()), moment.now().timestamp(), moment.today().timestamp(),
        datetime.datetime.now(datetime.UTC).timestamp(), pd.Timestamp.now().timestamp(),
        pd.Timestamp.now("UTC").timestamp(), pd.Timestamp.today().timestamp(),
    ],
    "year": [date.today().year, time.gmtime().tm_year, int(time.strftime("%Y"))],
    "same": [
        pickle.loads(pickle.dumps(then)) == then, isinstance(pd.Timestamp(then), moment),
        str(pd.to_datetime("2020-01-03") - then), moment.fromtimestamp(0, datetime.UTC).year,
    ],
    "run": [__name__, sys.argv[1:]],
}))
"""


def run(tmp_path, *words):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, *words, str(program), "--seed", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_clock_is_shifted_and_nothing_else(tmp_path):
    plain = run(tmp_path)
    shifted = run(tmp_path, evidence_clock.__file__)
    # pandas takes a naive `now` for UTC, so that its timestamp moves by the time zone as well
    for was, now in zip(plain["clocks"], shifted["clocks"], strict=True):
        assert abs(now - was - evidence_clock.SHIFT_S) < 60 + 12 * 3600
        assert now > was + 390 * 86400
    assert shifted["clocks"][0] - plain["clocks"][0] - evidence_clock.SHIFT_S < 60
    assert all(now > was for was, now in zip(plain["year"], shifted["year"], strict=True))
    assert shifted["same"] == plain["same"] == [True, True, "1 days 00:00:00", 1970]
    assert shifted["run"] == plain["run"] == ["__main__", ["--seed", "1"]]
