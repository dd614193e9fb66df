import threading

import pytest

from earnest.core.errors import LackError, RecordError
from earnest.core.home import BlobStore, Home, default_home, write_whole


def test_the_home_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EARNEST_HOME", str(tmp_path / "h"))
    assert default_home() == tmp_path / "h"


def test_the_secret_is_made_once_even_by_many_at_once(tmp_path):
    home, found = Home(tmp_path / "h"), []
    threads = [threading.Thread(target=lambda: found.append(home.secret())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert (tmp_path / "h" / "secret.key").stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_made_names_the_mend(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LackError) as caught:
        Home(tmp_path / "file" / "home")
    assert "--home" in caught.value.mend


def test_blobs_are_verified_on_reading(tmp_path):
    blobs = BlobStore(tmp_path)
    name = blobs.put(b"evidence")
    assert blobs.put(b"evidence") == name
    assert blobs.get(name) == b"evidence"
    blobs.path(name).write_bytes(b"Evidence")
    with pytest.raises(RecordError, match="changed"):
        blobs.get(name)
    for bad in ("sha256:../../etc/passwd", "sha256:" + "g" * 64, ""):
        with pytest.raises(RecordError):
            blobs.get(bad)


def test_a_failed_write_leaves_the_old_content(tmp_path):
    path = tmp_path / "f"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "new")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
