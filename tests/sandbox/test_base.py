import importlib.metadata
import subprocess
import sys

import pytest

from earnest.core.errors import LackError
from earnest.sandbox import base
from earnest.sandbox.engine import Engine
from earnest.sandbox.system import IMAGE


def test_the_image_has_the_versions_that_are_installed_here():
    wanted = base.wanted()
    assert f"numpy=={importlib.metadata.version('numpy')}" in wanted
    assert all("==" in line and "+" not in line for line in wanted)


def test_the_recipe():
    text = base.containerfile("3.12", ["numpy==2.3.0", "rfc8785==0.1.4"])
    assert "FROM $BASE AS made" in text
    assert "python:3.12-slim" in text
    assert "numpy==2.3.0 rfc8785==0.1.4" in text
    assert f"COPY --from=made /packages {IMAGE}\n" in text
    last = text.rpartition("FROM")[2]
    assert "pip" not in last
    assert "rm -rf /usr/local/lib/python3.12/site-packages/*" in last


def test_other_versions_are_another_image(monkeypatch):
    tag = base.tag()
    assert tag == base.tag()
    monkeypatch.setattr(base, "wanted", lambda: ["numpy==1.0"])
    assert base.tag() != tag


def test_what_is_sent_to_the_engine_suffices_to_build_the_image(tmp_path):
    base.lay_out(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import earnest.sandbox.image as image; print(image.__file__)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path))
    assert {path.name for path in (tmp_path / "earnest").iterdir()} == {
        "__init__.py",
        "core",
        "sandbox",
    }


def engine(tmp_path, script):
    path = tmp_path / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Engine("docker", str(path), "1", False, frozenset())


def test_an_image_that_is_not_built_is_lacking(tmp_path):
    assert base.require_base(engine(tmp_path, "exit 0")) == base.tag()
    with pytest.raises(LackError, match="no image") as caught:
        base.require_base(engine(tmp_path, "exit 1"))
    assert caught.value.mend.endswith("-m earnest.sandbox.base")
