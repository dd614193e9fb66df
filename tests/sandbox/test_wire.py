"""What goes into a jail and what comes back: data, within bounds."""

import marshal
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import UsageError
from earnest.core.jobs import DATA, Job, Limits
from earnest.sandbox import wire
from earnest.sandbox.wire import Report

names = st.from_regex(r"[a-z]{1,8}(/[a-z.]{1,8}x){0,2}", fullmatch=True)
codes = st.integers(-64, 255)


def ended(cause: int, code: int, cpu_ms: int = 0) -> bytes:
    word = b"E" + bytes([cause]) + code.to_bytes(4, "big", signed=True)
    return word + cpu_ms.to_bytes(8, "big")


def complaint(text: bytes) -> bytes:
    return b"!" + len(text).to_bytes(4, "big") + text


@given(
    st.sampled_from([b"", b"H", b"N", b"HN"]),
    st.one_of(st.none(), st.text(min_size=1, max_size=100)),
    st.integers(0, 3),
    codes,
    st.integers(0, 2**40),
)
def test_what_process_1_says_is_read_back(hello, reason, cause, code, cpu_ms):
    said = hello + (complaint(reason.encode()) if reason else b"") + ended(cause, code, cpu_ms)
    assert wire.read_report(said) == Report(
        code, cause == 1, cause == 3, cause == 2, reason or "", cpu_ms / 1000
    )
    for size in range(len(said)):
        assert wire.read_report(said[:size]) is None


@given(
    st.sampled_from([b"", b"H", b"HN", b"H!", b"H!\0\0\0\1a", b"E", b"HE\0", ended(0, 0)[:6]]),
    st.binary(max_size=40),
)
def test_any_bytes_are_read_or_refused(prefix, data):
    try:
        report = wire.read_report(prefix + data)
    except wire.GarbledError:
        return
    if report is not None:
        assert report.code is not None
        assert -64 <= report.code <= 255
        assert len(report.reason) <= wire.MOST_SAID


@pytest.mark.parametrize(
    "said",
    [
        b"x",
        b"HH",
        b"NH",
        b"H.",
        ended(0, 0) + b".",
        ended(0, 0) + ended(0, 0),
        ended(4, 0),
        ended(255, 0),
        ended(0, -65),
        ended(0, 256),
        ended(0, 2**31 - 1),
        b"!\xff\xff\xff\xff",
        complaint(b"a" * (wire.MOST_SAID + 1)) + ended(0, 0),
        complaint(b"a") + complaint(b"b") + ended(0, 0),
    ],
)
def test_what_no_process_1_says_is_refused(said):
    with pytest.raises(wire.GarbledError):
        wire.read_report(said)


def test_a_complaint_without_words_is_one_and_odd_words_are_text():
    assert wire.read_report(complaint(b"") + ended(0, 125)).reason == "unknown"
    assert wire.read_report(complaint(b"\xff\xfe") + ended(0, 125)).reason == "��"


@pytest.mark.parametrize(
    "name",
    ["/x", "../x", "a/../b", "", ".", "a//b", "./a", "a/", "a\0", ".tmp/x", ".tmp", "a" * 1025],
)
def test_names_outside_the_workspace_are_refused(name):
    assert wire.relative("a/b.tmp") == "a/b.tmp"
    with pytest.raises(UsageError, match="can't be a file"):
        wire.relative(name)


def read_plan(data):
    size = int.from_bytes(data[:8], "big")
    return marshal.loads(data[8 : 8 + size]), data[8 + size :]  # noqa: S302


def read_warm(data):
    """Return gate, mount options, limits, job and the files' contents, read by their places."""
    gate, options, *limits, size = struct.unpack_from("=Q112s15Q", data)
    told = marshal.loads(data[240 : 240 + size])  # noqa: S302
    pairs = dict(zip(wire.zygote_plan("/py", ())["limits"], batched(limits), strict=True))
    rest = data[max(wire.HEAD, 240 + size) :]
    return gate, options.rstrip(b"\0").decode(), pairs, told, rest


def batched(numbers):
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@given(st.dictionaries(names, st.binary(max_size=50), max_size=5))
def test_a_plan_holds_what_was_given(files):
    job = Job(("python", "x"), files=files)
    head, contents = read_plan(wire.cold_plan(job, "/py", "/image", count_processes=True))
    assert head["entry"] == ["/py", "x"]
    assert head["environment"] == wire.environment("/image", "/earnest-jail/work/.tmp")
    sizes = [(name, len(content)) for name, content in files.items()]
    assert head["files"] == sizes
    assert contents == b"".join(files.values())
    *_, told, contents = read_warm(wire.warm_plan(job, "/py", 0, ([], [])))
    assert told == (["/py", "x"], sizes, [], [], True)
    assert contents == b"".join(files.values())


def test_a_warm_plan_brings_the_folders_along():
    job = Job(("python", "x"), files={"a": b"12"}, limits=Limits(workspace_files=7))
    shown = ([DATA], [(f"{DATA}/t", b"345")])
    _, options, limits, told, contents = read_warm(wire.warm_plan(job, "/py", 5 << 20, shown))
    assert (told[2:4], contents) == (([DATA], [(f"{DATA}/t", 3)]), b"12345")
    assert options.split(",")[1] == "nr_inodes=9"
    cold, _ = read_plan(wire.cold_plan(job, "/py", "/image", count_processes=True))
    more = {which: soft - limits[which][0] for which, soft, _ in cold["limits"]}
    assert sorted(more.values()) == [-5 << 20, *[0] * (len(more) - 1)]


def test_only_a_job_that_brings_nothing_passes_the_gate():
    bare = Job(("python", "-c", "pass"), collect=False)
    more = Job(("python", "-c", "pass"), files={"a": b""}, collect=False)
    kept = Job(("python", "-c", "pass"))
    long = Job(("python", "-c", "#" * wire.HEAD), collect=False)
    nothing = ([], [])
    passes = read_warm(wire.warm_plan(bare, "/py", 0, nothing))[0]
    stays = {read_warm(wire.warm_plan(job, "/py", 0, nothing))[0] for job in (more, kept, long)}
    stays.add(read_warm(wire.warm_plan(bare, "/py", 0, ([DATA], [])))[0])
    stays.add(read_warm(wire.warm_plan(bare, "/py", 0, nothing, line=True))[0])
    assert len(stays) == 1
    assert passes not in stays
    assert read_warm(wire.warm_plan(long, "/py", 0, nothing))[3][0][2] == "#" * wire.HEAD


class Way:
    certificate = b"PEM"

    def serve(self, listener):
        raise AssertionError

    def close(self):
        pass


def test_a_network_brings_its_certificate_and_variables():
    data = wire.cold_plan(Job(("python",), net=Way()), "/py", "/image", count_processes=True)
    head, contents = read_plan(data)
    assert head["port"] == wire.PROXY_PORT
    assert contents == b"PEM"
    assert head["environment"]["https_proxy"] == f"http://127.0.0.1:{wire.PROXY_PORT}"
    without, _ = read_plan(wire.cold_plan(Job(("python",)), "/py", "/i", count_processes=True))
    assert without["port"] == 0
    assert not any("proxy" in name for name in without["environment"])


def test_files_that_do_not_fit_are_refused():
    small = Limits(workspace_mib=1, workspace_files=2)
    fits = Job(("python",), files={"a": bytes(1 << 20), "b": b""}, limits=small)
    wire.cold_plan(fits, "/py", "/i", count_processes=True)
    for files in ({"a": bytes(1 << 20), "b": b"1"}, {"a": b"", "b": b"", "c": b""}):
        with pytest.raises(UsageError, match="fit into"):
            wire.warm_plan(Job(("python",), files=files, limits=small), "/p", 0, ([], []))


@pytest.mark.parametrize("entry", [(), ("sh",), ("./a",), ("Python",)])
def test_entries_that_are_refused(entry):
    assert wire.command(Job(("/bin/sh", "x")), "/py") == ["/bin/sh", "x"]
    with pytest.raises(UsageError, match="absolute path"):
        wire.command(Job(entry), "/py")


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


def test_folders_are_read_without_links_and_only_up_to_a_bound(tmp_path, monkeypatch):
    (tmp_path / "a/empty").mkdir(parents=True)
    (tmp_path / "a/t.csv").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "root").symlink_to("/")
    job = Job(("python",), ro_mounts={f"{DATA}/x": tmp_path})
    folders, files = wire.folders(job)
    assert sorted(folders) == [f"{DATA}/x", f"{DATA}/x/a", f"{DATA}/x/a/empty"]
    assert files == [(f"{DATA}/x/a/t.csv", b"x" * 100)]
    monkeypatch.setattr(wire, "MOST_DATA", 100)
    assert wire.folders(job) is not None
    monkeypatch.setattr(wire, "MOST_DATA", 99)
    assert wire.folders(job) is None
