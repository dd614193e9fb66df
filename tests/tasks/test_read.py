import gzip

import pandas as pd
import pytest

from earnest.core.errors import TableError
from earnest.tasks.read import LEAST_ROWS, read_table

ROWS = "".join(f"{n},{n % 7},k{n % 3}\n" for n in range(40))


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_common_delimiters_are_found(tmp_path, mark):
    frame = read_table(
        put(tmp_path, "t.csv", "a,b,c\n".replace(",", mark) + ROWS.replace(",", mark))
    )
    assert list(frame.columns) == ["a", "b", "c"]
    assert frame.iloc[10].tolist() == ["10", "3", "k1"]


def test_cells_stay_as_they_stand(tmp_path):
    frame = read_table(put(tmp_path, "t.csv", "a,b\n" + "007,1.50\nNA,\n" * 20))
    assert frame.iloc[0].tolist() == ["007", "1.50"]
    assert frame.iloc[1].tolist() == ["NA", ""]


def test_gzip_other_encodings_and_a_written_index_are_read(tmp_path):
    zipped = put(tmp_path, "t.csv.gz", gzip.compress(("a,b,c\n" + ROWS).encode()))
    assert len(read_table(zipped)) == 40
    latin = put(tmp_path, "l.csv", ("städte,b,c\n" + ROWS).encode("latin-1"))
    assert read_table(latin).columns[0] == "städte"
    indexed = "".join(f"{n},{n % 7},1\n" for n in range(40))
    assert list(read_table(put(tmp_path, "i.csv", ",x,y\n" + indexed)).columns) == ["x", "y"]


def test_parquet_is_read(tmp_path):
    pd.DataFrame({"a": range(50), "b": [0.5] * 50}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").iloc[3].tolist() == ["3", "0.5"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", "", "is empty"),
        ("blank.csv", " \n \n", "is empty"),
        ("one.csv", "a\n" + "1\n" * 50, "one column"),
        ("short.csv", "a,b\n" + "1,2\n" * (LEAST_ROWS - 1), "too few"),
        ("header.csv", "a,b\n", "too few"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, "binary data"),
        ("data.json", '{"a": [1, 2]}\n' * 40, "JSON"),
        ("page.html", "<html><body>no</body></html>\n" * 40, "markup"),
        ("ragged.csv", "a,b\n" + "1,2\n" * 40 + "1,2,3,4\n", "not a table"),
        ("letter.txt", "Dear all,\n" + "this is a letter, not a table, you see\n" * 40, "table"),
        ("broken.csv.gz", b"no gzip at all", "can't read"),
        ("broken.parquet", b"no parquet at all", "not a Parquet"),
    ],
)
def test_what_is_no_table_says_so_and_names_the_mend(tmp_path, name, content, says):
    with pytest.raises(TableError, match=says) as caught:
        read_table(put(tmp_path, name, content))
    assert caught.value.mend
    assert caught.value.exit_status == 2


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TableError) as caught:
            read_table(path)
        assert "--data" in caught.value.mend
