"""What is searched for in a jail by its content: no sealed row lies anywhere.

The hostile programs are in the shipped suite (test_selftest.py).
"""

import csv
from pathlib import Path

import pytest

from earnest.core.jobs import DATA, Job, Limits

SEARCH = """
import bz2, gzip, lzma, os, sys, zipfile, zlib

needles = [line.encode() for line in NEEDLES]
found, looked = set(), 0
MAGIC = {b"\\x1f\\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\\xfd7zXZ": lzma.decompress,
         b"\\x5d\\0\\0": lzma.decompress, b"\\x78": zlib.decompress}

def look(data, path, depth=0):
    global looked
    looked += 1
    for number, needle in enumerate(needles):
        if needle in data:
            found.add((number, path))
    if depth > 2:
        return
    for magic, opening in MAGIC.items():
        if not data.startswith(magic):
            continue
        try:
            inner = opening(data)
        except Exception:
            continue
        look(inner, path + "!", depth + 1)
    if data[:2] == b"PK":
        import io
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    look(archive.read(name), path + "!" + name, depth + 1)
        except Exception:
            pass

here = os.path.abspath(sys.argv[0])
seen = set()
for place, folders, files in os.walk("/"):
    if place == "/proc":
        folders[:] = [f for f in folders if f.isdigit() or f in ("sys", "self")]
    if place == "/":
        folders[:] = [f for f in folders if f not in ("proc", "dev")] + ["proc", "dev"]
    for name in files:
        path = os.path.join(place, name)
        try:
            info = os.stat(path)
            if (info.st_dev, info.st_ino) in seen or path == here or not os.path.isfile(path):
                continue
            seen.add((info.st_dev, info.st_ino))
            if path.startswith("/proc/") and name in ("mem", "kmsg", "clear_refs", "trace_pipe",
                                                      "pagemap", "main.py", "cmdline"):
                continue
            if path.startswith("/proc/") and "/fd/" in path + "/":
                continue
            with open(path, "rb") as file:
                look(file.read(1 << 28), path)
        except OSError:
            continue
print("looked", looked)
for number, path in sorted(found):
    print("FOUND", number, path)
"""


def rows_of_fair():
    datasets = pytest.importorskip("statsmodels.api").datasets
    return [list(map(str, row)) for row in datasets.fair.load_pandas().data.to_numpy()]


def split(outside, rows):
    """Lay out a table as a home has it: rows to see, rows to seal, and the whole original."""
    home = outside / "home"
    for name, part in (("visible", rows[::2]), ("sealed", rows[1::2]), ("original", rows)):
        (home / name).mkdir(parents=True)
        with (home / name / "fair.csv").open("w", newline="") as file:
            csv.writer(file).writerows(part)
    return home


def as_bundled(row):
    """The row as statsmodels' own fair.csv has it, and as our split writes it."""
    return ",".join(f"{float(value):.10g}" for value in row), ",".join(row)


@pytest.fixture(scope="session")
def home(outside):
    return split(outside, rows_of_fair())


def needles(home):
    """Rows that stand in one part only, in each way that they are written: visible, sealed."""
    parts = {}
    for name in ("visible", "sealed"):
        with (home / name / "fair.csv").open(newline="") as file:
            parts[name] = {tuple(row) for row in csv.reader(file)}
    only = {"visible": parts["visible"] - parts["sealed"]}
    only["sealed"] = parts["sealed"] - parts["visible"]
    return {name: sorted(rows)[:40] for name, rows in only.items()}


@pytest.mark.parametrize("count", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_no_sealed_row_lies_anywhere_in_the_jail(jail, home, count):
    found = needles(home)
    assert len(found["sealed"]) == 40
    wanted = [found["visible"][0], *found["sealed"][:count]]
    texts = [text for row in wanted for text in as_bundled(row)]
    source = SEARCH.replace("NEEDLES", repr(texts))
    result = jail.run(
        Job(
            ("python", "search.py"),
            files={"search.py": source.encode()},
            ro_mounts={DATA: home / "visible"},
            limits=Limits(wall_s=300, cpu_s=300, memory_mib=4096),
            collect=False,
        )
    )
    lines = result.stdout.splitlines()
    assert result.ok, result
    assert int(lines[0].split()[1]) > 3000
    assert lines[1:] == [f"FOUND 1 {DATA}/fair.csv"], lines


def test_the_search_finds_what_is_there(unconfined, home):
    """The control: where the installed package is in sight, its rows are found in it."""
    found = needles(home)
    import statsmodels

    folder = Path(statsmodels.__file__).parent / "datasets" / "fair"
    texts = [text for row in found["sealed"] for text in as_bundled(row)]
    source = SEARCH.replace("NEEDLES", repr(texts)).replace('os.walk("/")', f'os.walk("{folder}")')
    result = unconfined.run(Job(("python", "search.py"), files={"search.py": source.encode()}))
    assert "FOUND" in result.stdout, result
