import importlib.metadata
import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import SandboxError
from earnest.sandbox.image import build_image, wanted


@pytest.mark.parametrize(
    "path",
    [
        "pandas/__init__.py",
        "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so",
        "numpy.libs/libscipy_openblas64_-abc.so",
        "pyarrow/libarrow.so.2600",
        "statsmodels/datasets/fair/data.py",
        "sklearn/datasets/_base.py",
        "tzdata/zoneinfo/Europe/Berlin",
        "pandas/io/formats/templates/html.tpl",
        "pandas-3.0.dist-info/METADATA",
        "scipy/stats/_sobol_direction_numbers.npz",
    ],
)
def test_code_is_let_in(path):
    assert wanted(PurePosixPath(path))


@pytest.mark.parametrize(
    "path",
    [
        "statsmodels/datasets/fair/fair.csv",
        "statsmodels/datasets/fair/src/1978ADAT.asc",
        "statsmodels/datasets/macrodata/macrodata.dta",
        "statsmodels/datasets/macrodata/src/macrodata.xls/macrodata.xls",
        "statsmodels/datasets/scotland/src/scotland_births.html",
        "sklearn/datasets/data/diabetes_data_raw.csv.gz",
        "sklearn/datasets/descr/diabetes.rst",
        "matplotlib/mpl-data/sample_data/goog.npz",
        "scipy/stats/tests/data/x.npz",
        "pandas/tests/io/test_x.py",
        "joblib/test/data/x.pkl",
        "any/table.csv",
        "any/table.parquet",
        "any/table.json",
        "any/table.rds",
        "../../../bin/f2py",
        "/etc/passwd",
        "pandas-3.0.dist-info/RECORD",
        "x/__pycache__/y.py",
    ],
)
def test_tables_and_tests_are_left_out(path):
    assert not wanted(PurePosixPath(path))


@given(
    st.sampled_from(["csv", "csv.gz", "tsv", "dta", "xpt", "feather", "npy", "dat", "txt", "h5"])
)
def test_no_kind_of_table_is_let_in_below_datasets(suffix):
    for folder in ("p", "p/datasets", "p/datasets/data", "p/q"):
        assert not wanted(PurePosixPath(f"{folder}/t.{suffix}"))


def test_the_image_holds_packages_but_not_their_tables(image):
    names = {path.name for path in image.iterdir()}
    assert {"numpy", "pandas", "scipy"} <= names
    assert not {"earnest", "torch", "hypothesis", "pip"} & names
    kinds = {path.suffix for path in image.rglob("*") if path.is_file()}
    assert not kinds & {".csv", ".gz", ".dta", ".asc", ".xls", ".dat", ".rst", ".pkl", ".pth"}
    assert not list(image.rglob("tests"))
    for path in image.rglob("*"):
        assert path.stat().st_mode & (0o005 if path.is_dir() else 0o004), path


def test_it_is_made_once(tmp_path):
    first = build_image(tmp_path)
    inode = first.stat().st_ino
    assert build_image(tmp_path) == first
    assert first.stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir()] == [first.parent.name]


def test_a_private_umask_does_not_shut_the_jail_out(tmp_path):
    before = os.umask(0o077)
    try:
        image = build_image(tmp_path)
    finally:
        os.umask(before)
    for path in (image.parent, image, image / "pandas", image / "pandas" / "__pycache__"):
        assert path.stat().st_mode & 0o005 == 0o005


def test_a_failed_build_leaves_nothing_and_links_are_not_followed(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("earnest.sandbox.image._place", fail)
    with pytest.raises(SandboxError, match="No space"):
        build_image(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match="can't write"):
        build_image(tmp_path / "file")


def test_files_are_shared_not_copied_where_possible(image):
    source = Path(str(importlib.metadata.distribution("numpy").locate_file("numpy/__init__.py")))
    target = image / "numpy" / "__init__.py"
    if source.stat().st_dev != target.stat().st_dev:
        pytest.skip("another file system")
    assert source.samefile(target)
