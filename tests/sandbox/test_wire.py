import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import UsageError
from earnest.core.jobs import DATA, Job, Limits
from earnest.sandbox import wire

BEGIN = b"HE\0" + (0).to_bytes(4, "big")
names = st.from_regex(r"[a-z]{1,8}(/[a-z.]{1,8}x){0,2}", fullmatch=True)


def framed(name: bytes, data: bytes) -> bytes:
    return b"F" + len(name).to_bytes(4, "big") + len(data).to_bytes(8, "big") + name + data


@given(st.dictionaries(names, st.binary(max_size=50)), st.integers(-64, 255), st.booleans())
def test_what_process_1_sends_is_read_back(files, code, late):
    data = b"HE" + bytes([late]) + code.to_bytes(4, "big", signed=True)
    data += b"".join(framed(name.encode(), content) for name, content in files.items()) + b"."
    report = wire.read_report(data)
    assert (report.code, report.late, dict(report.files)) == (code, late, files)


@given(st.binary(max_size=400), st.sampled_from([b"", b"H", BEGIN, BEGIN + b"F"]))
def test_any_bytes_are_read_or_refused_and_name_no_file_outside(data, prefix):
    try:
        report = wire.read_report(prefix + data)
    except wire.GarbledError:
        return
    assert all(wire.relative(name) == name for name in report.files)


@given(st.data())
def test_a_report_cut_short_is_never_taken_for_a_whole_one(data):
    whole = BEGIN + framed(b"a", b"12345") + framed(b"b", b"") + b"."
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        report = wire.read_report(whole[:cut])
    except wire.GarbledError:
        return
    assert (report.code, dict(report.files)) == (None, {})


@pytest.mark.parametrize(
    "name", [b"/x", b"../x", b"a/../b", b"", b".", b"a//b", b"./a", b"a/", b"a\0", b".tmp/x"]
)
def test_forged_names_are_refused(name):
    assert wire.read_report(BEGIN + framed(b"fine", b"") + b".").files == {"fine": b""}
    with pytest.raises(wire.GarbledError):
        wire.read_report(BEGIN + framed(name, b"") + b".")


def test_names_that_are_not_text_are_left_out():
    report = wire.read_report(BEGIN + framed(b"\xff", b"1") + framed(b"a", b"2") + b".")
    assert report.files == {"a": b"2"}


def test_forged_lengths_are_refused():
    name = b"a"
    head = b"F" + len(name).to_bytes(4, "big") + (2**63).to_bytes(8, "big") + name
    for data in (head + b".", head, b"F" + b"\xff" * 12 + b".", b"F"):
        with pytest.raises(wire.GarbledError):
            wire.read_report(BEGIN + data)


def test_more_files_than_allowed_are_refused():
    frames = [framed(str(n).encode(), b"") for n in range(wire.MOST_FILES + 1)]
    assert len(wire.read_report(BEGIN + b"".join(frames[:-1]) + b".").files) == wire.MOST_FILES
    with pytest.raises(wire.GarbledError):
        wire.read_report(BEGIN + b"".join(frames) + b".")


@pytest.mark.parametrize("code", [-65, 256, 2**31 - 1])
def test_ends_that_no_program_has_are_refused(code):
    with pytest.raises(wire.GarbledError):
        wire.read_report(b"HE\0" + code.to_bytes(4, "big", signed=True) + b".")


@given(st.dictionaries(names, st.binary(max_size=50), max_size=5))
def test_a_plan_holds_what_was_given(files):
    job = Job(("python", "x"), files=files)
    data = wire.plan(job, "/py", "/image", count_processes=True)
    size = int.from_bytes(data[:8], "big")
    head = marshal.loads(data[8 : 8 + size])  # noqa: S302
    assert head["entry"] == ["/py", "x"]
    assert head["files"] == [(name, len(content)) for name, content in files.items()]
    assert data[8 + size :] == b"".join(files.values())


def test_limits_are_hard():
    for _, soft, hard in wire.resource_limits(Limits(), count_processes=True):
        assert soft <= hard <= soft + 1
    assert len(wire.resource_limits(Limits(), count_processes=True)) == 7
    assert len(wire.resource_limits(Limits(), count_processes=False)) == 6


def test_folders_by_inner_path(tmp_path):
    job = Job(("python",), ro_mounts={f"{DATA}/a": tmp_path, f"{DATA}/ab": tmp_path})
    assert wire.mounts(job) == {f"{DATA}/a": str(tmp_path), f"{DATA}/ab": str(tmp_path)}
    with pytest.raises(UsageError, match="within another"):
        wire.mounts(Job((), ro_mounts={f"{DATA}/a": tmp_path, f"{DATA}/a/b": tmp_path}))
