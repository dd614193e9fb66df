import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.sandbox.scratch import copy_plain, empty, open_to_others, scratch


def test_a_folder_of_our_own_is_removed_with_all_that_is_in_it():
    with scratch("earnest-test-") as (path, folder):
        (path / "a/b").mkdir(parents=True)
        (path / "a/b/c").write_text("x")
        os.mkfifo(path / "pipe")
        (path / "a").chmod(0)
        assert os.path.samestat(os.fstat(folder), path.stat())
        assert path.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_links_are_removed_and_what_they_name_is_not(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    with scratch("earnest-test-") as (path, _):
        (path / "link").symlink_to(kept)
        (path / "file").symlink_to(kept / "file")
    assert not path.exists()
    assert (kept / "file").read_text() == "x"


def test_another_folder_of_its_name_is_left(tmp_path):
    with scratch("earnest-test-") as (path, _):
        (path / "inner").write_text("x")
        moved = path.rename(tmp_path / "moved") if same_device(path, tmp_path) else None
        if moved is None:
            pytest.skip("temporary folders lie on different file systems")
        path.mkdir()
        (path / "theirs").write_text("x")
    assert list(moved.iterdir()) == []
    assert (path / "theirs").exists()
    shutil.rmtree(path)


def same_device(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


MOUNTED = """
import os, subprocess, sys
from earnest.sandbox.scratch import empty
place = sys.argv[1] + "/outer/inner"
os.makedirs(place)
if sys.argv[2] == "mount":
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
open(place + "/theirs", "w").close()
try:
    empty(os.open(sys.argv[1], os.O_RDONLY))
except OSError as error:
    print("stopped", error)
print(os.path.exists(place + "/theirs"))
"""


@pytest.mark.parametrize(("how", "kept"), [("mount", True), ("plain", False)])
def test_another_file_system_is_not_entered(tmp_path, how, kept):
    words = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    words += [sys.executable, "-c", MOUNTED, str(tmp_path), how]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f"{kept}\n"), done
    assert ("stopped inner is another file system" in done.stdout) is kept


names = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name.strip("."))
trees = st.recursive(
    st.binary(max_size=3), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8
)


def grow(place: Path, tree) -> None:
    if isinstance(tree, bytes):
        place.write_bytes(tree)
        return
    place.mkdir()
    for name, inner in tree.items():
        grow(place / name, inner)


@given(st.dictionaries(names, trees, max_size=4))
def test_whatever_is_in_it_emptying_empties(tree):
    with scratch("earnest-test-") as (path, folder):
        for name, inner in tree.items():
            grow(path / name, inner)
        empty(folder)
        assert list(path.iterdir()) == []
    assert not path.exists()


def test_a_copy_has_what_is_plain_for_anyone_to_read(tmp_path):
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner/t").write_text("table")
    (source / "inner/t").chmod(0o600)
    (source / "link").symlink_to("/etc/passwd")
    assert not open_to_others(source)
    copy_plain(source, tmp_path / "copy")
    assert open_to_others(tmp_path / "copy")
    assert (tmp_path / "copy/inner/t").read_text() == "table"
    assert not (tmp_path / "copy/link").exists()
    (tmp_path / "copy/inner").chmod(0o700)
    assert not open_to_others(tmp_path / "copy")
