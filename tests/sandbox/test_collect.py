"""Reading what a program left: odd files, hostile swaps; as we are and as an ordinary user."""

# ruff: noqa: PTH109, PTH118, PTH123, PTH208, PTH211
# (what is tested goes by descriptors and by bytes)

import ctypes
import marshal
import os
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earnest.sandbox.collect import Collected, collect

ROOM = 1 << 20
USER = 54321


def collected(folder, most_bytes=ROOM, most_files=100):
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return collect(held, most_bytes, most_files)
    finally:
        os.close(held)


def as_user(folder, most_bytes=ROOM, most_files=100):
    """The same in a child that is not root, with the tree its own."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files, ""):
            os.chown(os.path.join(place, name), USER, USER, follow_symlinks=False)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setresgid(USER, USER, USER)
            os.setresuid(USER, USER, USER)
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            found = collect(held, most_bytes, most_files)
            os.write(writer, marshal.dumps((dict(found.files), found.left_out)))
        finally:
            os._exit(0)
    os.close(writer)
    os.close(held)
    with os.fdopen(reader, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return Collected(*marshal.loads(said))  # noqa: S302


@pytest.fixture(params=["ourselves", "user"])
def by(request):
    if request.param == "user":
        if os.geteuid() != 0:
            pytest.skip("that is who runs this already")
        return as_user
    return collected


def odd(folder):
    (folder / "plain").write_text("p")
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/deep").write_text("d")
    (folder / "to-file").symlink_to("/etc/passwd")
    (folder / "to-root").symlink_to("/")
    (folder / "near").symlink_to("plain")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "fifo")
    here = os.getcwd()
    os.chdir(folder)  # the name of a socket is short
    try:
        held = socket.socket(socket.AF_UNIX)
        held.bind("socket")
    finally:
        os.chdir(here)
    held.close()
    os.link(folder / "plain", folder / "hard")


def test_only_regular_files_are_read(tmp_path, by):
    odd(tmp_path)
    assert by(tmp_path) == Collected(
        {"plain": b"p", "a/b/deep": b"d", "hard": b"p"},
    )


def test_modes_that_shut_everyone_out(tmp_path, by):
    (tmp_path / "shut").write_text("s")
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed/in").write_text("c")
    os.mkfifo(tmp_path / "fifo", 0)
    (tmp_path / "closed/link").symlink_to("/etc/passwd")
    for name in ("closed/in", "shut", "closed"):
        (tmp_path / name).chmod(0)
    assert by(tmp_path) == Collected({"shut": b"s", "closed/in": b"c"})


def test_the_temporary_folder_stays_but_only_at_the_top(tmp_path):
    for name in (".tmp", "a/.tmp"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x").write_text("x")
    assert set(collected(tmp_path).files) == {"a/.tmp/x"}


def test_names_that_are_not_text_are_left_out(tmp_path):
    for name in (b"\xff", b"a\xc3(", "ü".encode(), b"new\nline", b"bell\x07"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"x")
    assert set(collected(tmp_path).files) == {"ü", "new\nline", "bell\x07"}


def test_bytes_are_limited_in_all_and_sparse_ones_count_in_full(tmp_path):
    for name in "ab":
        with (tmp_path / name).open("wb") as file:
            file.truncate(500)
    assert collected(tmp_path, 1000) == Collected({"a": bytes(500), "b": bytes(500)})
    assert "more" in collected(tmp_path, 999).left_out
    with (tmp_path / "c").open("wb") as file:
        file.truncate(1 << 42)
    start = time.monotonic()
    assert "more" in collected(tmp_path, ROOM).left_out
    assert time.monotonic() - start < 30


def test_the_number_of_files_is_limited(tmp_path):
    for number in range(11):
        (tmp_path / str(number)).touch()
    assert not collected(tmp_path, most_files=11).left_out
    assert "more" in collected(tmp_path, most_files=10).left_out


def nest(folder, depth):
    held = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=held)
        inner = os.open("d", os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = inner
    os.close(os.open("x", os.O_WRONLY | os.O_CREAT, dir_fd=held))
    os.close(held)


def test_depth_is_limited(tmp_path):
    (tmp_path / "fits").mkdir()
    nest(tmp_path / "fits", 30)
    assert set(collected(tmp_path).files) == {"fits/" + "d/" * 30 + "x"}
    nest(tmp_path, 600)
    assert "more" in collected(tmp_path).left_out


def test_descriptors_are_closed_whatever_happens(tmp_path):
    odd(tmp_path)
    nest(tmp_path, 40)
    before = set(os.listdir("/proc/self/fd"))
    for most in (0, 1, ROOM):
        collected(tmp_path, most)
        collected(tmp_path, ROOM, most)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_can_not_be_read_is_an_answer(tmp_path):
    held = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        assert "can't be read" in collect(held, ROOM, 10).left_out
    finally:
        os.close(held)


def by_path(folder):
    """The careless way, which a swap must beat: the control."""
    found = {}
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                with open(os.path.join(place, name)) as file:
                    found[name] = file.read()
            except OSError:
                continue
    return found


def swapping(inside, outside, done):
    """Swap a folder and a link to one outside for each other, over and over."""
    os.symlink(outside, inside / "link")
    libc = ctypes.CDLL(None)
    names = [os.fsencode(inside / name) for name in ("folder", "link")]
    while not done.is_set():
        libc.renameat2(-100, names[0], -100, names[1], ctypes.c_uint(2))
        time.sleep(0)


@pytest.mark.parametrize(("way", "leaks"), [(by_path, True), (collected, False)])
def test_a_folder_swapped_for_a_link_while_it_is_read(tmp_path, way, leaks):
    outside, inside, done = tmp_path / "outside", tmp_path / "inside", threading.Event()
    (inside / "folder").mkdir(parents=True)
    outside.mkdir()
    (inside / "folder/ours").write_text("fine")
    for number in range(20):
        (outside / f"secret{number}").write_text("SECRET")
    swapper = threading.Thread(target=swapping, args=(inside, outside, done))
    swapper.start()
    leaked = seen = rounds = 0
    until = time.monotonic() + (20 if leaks else 1.5)
    try:
        while time.monotonic() < until and not (leaks and leaked and seen):
            found = way(inside)
            text = str(found)
            leaked += "SECRET" in text
            seen += "fine" in text
            rounds += 1
    finally:
        done.set()
        swapper.join()
    assert bool(leaked) is leaks, (leaked, rounds)
    assert seen


NAMES = st.from_regex(r"[a-zü]{1,5}(/[b-d.]{1,4}y){0,3}", fullmatch=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read_back(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("round")
    there = {}
    for name, data in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError:  # one name is a folder of the other
            continue
        there[name] = data
    assert collected(folder) == Collected(there)
