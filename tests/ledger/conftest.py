import pytest

from earnest.core.sign import KeyFolder


@pytest.fixture
def keys(tmp_path):
    return KeyFolder(tmp_path / "verifier")
