import os
import subprocess
import sys
from pathlib import Path

from earnest.sandbox.system import describe


def test_the_interpreter_is_the_one_behind_the_environment():
    python = describe().python
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
    assert version.split()[1] == sys.version.split()[0]
    assert not Path(python).is_symlink()


def test_only_what_programs_need_is_shown():
    system = describe()
    for folder in system.folders:
        for private in ("/home", "/root", "/etc", "/var", "/tmp", "/proc", "/sys", "/"):
            assert folder != private
        assert Path(folder).exists()
    assert "/usr/share" not in system.folders
    assert not any(Path("/usr") == Path(folder) for folder in system.folders)


def test_every_folder_of_packages_in_sight_is_masked():
    system = describe()
    for folder in filter(os.path.isdir, system.folders):
        for place, folders, _ in os.walk(folder):
            if place in system.masks:
                folders.clear()
                continue
            assert not {"site-packages", "dist-packages"} & set(folders) - {
                name
                for name in folders
                if os.path.join(place, name) in system.masks  # noqa: PTH118
            }
