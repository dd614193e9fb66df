import csv
import gzip
import io
import json
import zipfile
import zlib

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.errors import TableError, UsageError
from earnest.tasks.assume import Assumed, Reading
from earnest.tasks.read import LEAST_ROWS, read_table
from earnest.tasks.source import bytes_of
from earnest.tasks.tidy import tidy

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
        ("data.json", '{"a": [1, 2]}\n' * 40, "one column"),
        ("broken.json", '{"a": 1', "not JSON"),
        ("deep.json", "[" * 100_000, "nested too deeply"),
        ("values.json", "[1, 2, 3]", "not a list of objects"),
        ("tables.json", '{"a": [{"x": 1}], "b": [{"y": 1}]}', "several tables"),
        ("packed.zip", b"PK\x03\x04 and so on", "is packed"),
        ("nul.csv", "a,b,c\n" + ROWS + "1,2,\0\n", "NUL in line 42"),
        ("numbers.csv", ROWS.replace("k", ""), "no header"),
        ("wider.csv", "a,b\n" + ROWS, "its rows have 3 cells and its header 2"),
        ("early.csv", "a,b,c\n" + ROWS + "1,2\n" * 9, "fewer cells than its header"),
        ("quote.csv", "a,b,c\n" + ROWS + '1,"2,3\n' + ROWS, "not a table"),
        ("two.csv", "a,b,c\n" + ROWS + "\nd,e\n1,2\n3,4\n", "begins in line 1, another in line 43"),
        ("like.csv", "a,b,c\n" + ROWS + "\nd,e,f\n1,2,k\n3,4,k\n", "several tables"),
        ("broken.xlsx", b"no workbook", "can't read"),
        ("torn.xlsx", b"PK\x03\x04 no workbook xl/", "can't read"),
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


def read(path, **reading):
    """The table, and what was assumed by kind."""
    assumed = Assumed()
    frame = read_table(path, Reading(**reading), assumed)
    return frame, {one.what: one for one in assumed.all()}


HEAD = "a,b,c\n"


@pytest.mark.parametrize(
    ("text", "what", "count"),
    [
        ("A report\nof Monday, by X\n\n" + HEAD + ROWS, "preamble", 2),
        ("# A report,,\n,,\n" + HEAD + ROWS, "preamble", 1),
        (HEAD + ROWS + "\nSource: us\nRead: then\n", "footer", 2),
        (HEAD + ROWS + ",,\nSource: us,,\n", "footer", 1),
        (HEAD + ROWS + HEAD + ROWS.replace("k", "n"), "header-again", 1),
        (HEAD + ROWS + "\n" + HEAD + ROWS.replace("k", "n"), "header-again", 1),
        (HEAD + ROWS.replace("\n", "\n,,\n"), "blank-rows", 39),
        (HEAD + ROWS + "1,2\n", "short-rows", 1),
        ("a,a,\n" + ROWS, "names", 1),
        (HEAD + ROWS.replace("39,", "Total,"), "totals", 1),
    ],
)
def test_what_is_around_a_table_is_left_out_and_said(tmp_path, text, what, count):
    frame, said = read(put(tmp_path, "t.csv", text))
    assert said[what].count == count
    assert {"k0", "k1", "k2"} <= set(frame.iloc[:, 2])
    assert not frame.map(lambda cell: "Source" in cell or cell in ("a", "Total")).any(axis=None)


def test_a_level_called_total_is_no_total(tmp_path):
    rows = "".join(
        f"{n},{'Total' if n % 3 else 'f'},1\n".replace("1\n", f"{n}\n") for n in range(40)
    )
    swapped = "".join(
        ",".join(line.split(",")[i] for i in (1, 0, 2)) + "\n" for line in rows.split()
    )
    frame, said = read(put(tmp_path, "t.csv", HEAD + swapped))
    assert (len(frame), "totals" in said) == (40, False)


def test_blank_lines_between_rows_and_a_clean_file_need_no_word(tmp_path):
    for text in (HEAD + ROWS, HEAD + ROWS.replace("\n", "\n\n"), (HEAD + ROWS).replace("\n", "\r")):
        frame, said = read(put(tmp_path, "t.csv", text))
        assert (len(frame), said) == (40, {})


def test_made_up_names_are_unique_and_said(tmp_path):
    frame, said = read(put(tmp_path, "t.csv", "a, a,\n" + ROWS))
    assert list(frame.columns) == ["a", "a.1", "Unnamed: 2"]
    assert said["names"].line().startswith("names: columns")


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("latin-1", "Windows-1252"),
        ("cp1252", "Windows-1252"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
    ],
)
def test_encodings_are_told_apart_and_said(tmp_path, encoding, says):
    frame, said = read(put(tmp_path, "t.csv", ("städte,b,c\n" + ROWS).encode(encoding)))
    assert list(frame.columns) == ["städte", "b", "c"]
    assert ("encoding" in said) == bool(says)
    assert says in (said["encoding"].said if says else "")


def test_a_line_in_another_encoding_does_not_change_the_others(tmp_path):
    both = ("städte,b,c\n" + ROWS).encode() + "1,2,é\n".encode("latin-1")
    frame, said = read(put(tmp_path, "t.csv", both))
    assert (frame.columns[0], frame.iloc[-1, 2]) == ("städte", "é")
    assert said["encoding"].count == 1


def test_other_scripts_are_refused_by_name_and_read_when_named(tmp_path):
    russian = ("город,b,c\n" + ROWS.replace("k", "Москва ")).encode("cp1251")
    with pytest.raises(TableError, match="cp1251") as caught:
        read(put(tmp_path, "t.csv", russian))
    assert "--read encoding=cp1251" in caught.value.mend
    assert read(tmp_path / "t.csv", encoding="cp1251")[0].columns[0] == "город"
    with pytest.raises(TableError, match="is not utf-8"):
        read(tmp_path / "t.csv", encoding="utf-8")


def test_text_that_was_once_misread_is_said_and_left(tmp_path):
    frame, said = read(put(tmp_path, "t.csv", "stÃ¤dte,b,c\n" + ROWS + "1,2,Ã©tÃ©\n"))
    assert said["mojibake"].count == 3
    assert frame.columns[0] == "stÃ¤dte"


def test_awkward_cells_are_only_text(tmp_path):
    awkward = [
        "=cmd|' /C calc'!A0",
        'a "quoted"\nline',
        "z" * 1_000_000,
        "a,b",
        "\t",
        "'",
        "{{7*7}}",
    ]
    rows = [["a", "b", "c"], *([str(n), awkward[n % 7], str(n % 3)] for n in range(42))]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    frame, _ = read(put(tmp_path, "t.csv", out.getvalue()))
    assert frame["b"].tolist()[:4] == awkward[:4]
    assert len(frame) == 42


@pytest.mark.parametrize("content", [b"a,b\n" + b"0,0\n" * 30_000_000, b"\0" * 120_000_000])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, content):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    path = put(tmp_path, "t.csv.gz", packer.compress(content) + packer.flush())
    with pytest.raises(TableError, match="unpacks to more than") as caught:
        read(path)
    assert "unpack it yourself" in caught.value.mend


def test_there_is_a_bound_for_every_file(tmp_path):
    for name, content in (("a.csv", b"x" * 2000), ("a.csv.gz", gzip.compress(b"xyz" * 700))):
        with pytest.raises(TableError, match="more than"):
            bytes_of(put(tmp_path, name, content), most=1000)
    assert bytes_of(put(tmp_path, "b.csv.gz", gzip.compress(b"xyz")), most=1000) == b"xyz"


RECORDS = [
    {"a": n, "b": n / 4, "c": None if n % 9 == 0 else f"k{n}", "d": n % 2 == 0} for n in range(40)
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        "\n".join(map(json.dumps, RECORDS)),
        json.dumps({"made": "today", "data": RECORDS}),
        json.dumps({name: [row[name] for row in RECORDS] for name in "abcd"}),
    ],
)
def test_json_records_are_read_with_their_numbers_as_they_stand(tmp_path, text):
    frame, _ = read(put(tmp_path, "t.json", text))
    assert list(frame.columns) == ["a", "b", "c", "d"]
    assert frame.iloc[9].tolist() == ["9", "2.25", "", "false"]
    assert read(put(tmp_path, "t.json.gz", gzip.compress(text.encode())))[0].equals(frame)


def test_json_cells_that_hold_lists_are_said(tmp_path):
    rows = [{"a": n, "b": [n, n]} for n in range(40)]
    frame, said = read(put(tmp_path, "t.json", json.dumps(rows)))
    assert said["source"].columns == ("b",)
    assert '"3"' in frame["b"][3]


def workbook(tmp_path, *sheets, name="t.xlsx"):
    frame = pd.DataFrame(
        {
            "n": range(40),
            "x": [n / 4 for n in range(40)],
            "day": pd.date_range("2020-01-01", periods=40),
        }
    )
    with pd.ExcelWriter(tmp_path / name, engine="xlsxwriter") as book:
        for sheet, start in sheets:
            frame.to_excel(book, sheet_name=sheet, index=False, startrow=start)
            if start:
                book.sheets[sheet].write(0, 0, "A report")
    return tmp_path / name


def test_a_workbook_with_one_filled_sheet_is_read(tmp_path):
    frame, said = read(workbook(tmp_path, ("Data", 3)))
    assert frame.iloc[1].tolist() == ["1", "0.25", "2020-01-02"]
    assert (len(frame), said["preamble"].count) == (40, 1)
    assert "'Data'" in said["source"].said


def test_of_several_sheets_one_must_be_named(tmp_path):
    path = workbook(tmp_path, ("One", 0), ("Two", 0))
    with pytest.raises(TableError, match="One, Two") as caught:
        read(path)
    assert "--read sheet=" in caught.value.mend
    assert len(read(path, sheet="Two")[0]) == 40
    with pytest.raises(TableError, match="no sheet"):
        read(path, sheet="Three")


def test_a_workbook_is_bounded_too(tmp_path):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/workbook.xml", b"0" * 300_000_000)
    with pytest.raises(TableError, match="unpacks to more than"):
        read(put(tmp_path, "t.xlsx", bomb.getvalue()))


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8).map(str.strip)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL), min_size=LEAST_ROWS, max_size=50),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_cells_come_back_as_they_stood(tmp_path_factory, cells, mark):
    rows = [(str(n), *pair) for n, pair in enumerate(cells)]
    out = io.StringIO()
    csv.writer(out, delimiter=mark, quoting=csv.QUOTE_ALL).writerows([("id", "x", "y"), *rows])
    path = put(tmp_path_factory.mktemp("any"), "t.csv", out.getvalue())
    assert [tuple(row) for row in read(path)[0].itertuples(index=False)] == rows


def test_a_reading_is_checked():
    assert Reading.parse(["dates=day-first", "sheet=A=B"]) == Reading("day-first", sheet="A=B")
    for wrong in ("dates", "dates=", "dates=first", "decimal=.", "encoding=klingon", "colour=red"):
        with pytest.raises(UsageError) as caught:
            Reading.parse([wrong])
        assert caught.value.mend


PIECES = [
    "1",
    "2.5",
    "1,234.5",
    "1.234,5",
    "$5",
    "5%",
    "NA",
    "-",
    "?",
    "",
    "a",
    "b c",
    "2024-01-31",
    "31/01/2024",
    "01/31/2024",
    "Jan 3 2024",
    '"q"',
    '"x\ny"',
    '"',
    "'",
    ",",
    ";",
    "\t",
    "\n\n",
    "é",
    "Ã©",
    "\x00",
    "=1+1",
    "-999",
    "∞",
    "1e400",
    "nan",
    "inf",
    "(5)",
    "Total",
    "None",
    "\u202f1 234",
    "٣",
    "²",
    "1_000",
    "99/99/9999",
    "12:30",
    "\ufeff",
    "{",
    "[",
    "<",
    "#",
]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16", "cp1252", "utf-8-sig"]),
    st.sampled_from(",;\t"),
    st.randoms(use_true_random=False),
)
def test_whatever_a_file_holds_it_is_a_table_or_an_error_with_its_mend(
    tmp_path_factory, columns, encoding, mark, random
):
    lines = [mark.join(random.choice(["a", "b", "date", "", "id"]) for _ in columns)]
    lines += [mark.join(random.choice(cells) for cells in columns) for _ in range(60)]
    lines.insert(random.randrange(61), random.choice(PIECES))
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))
    mend = "none was needed"
    try:
        frame = read_table(path)
        assert len(tidy(frame, Reading()).cells) == len(frame) >= LEAST_ROWS
    except TableError as error:
        mend = error.mend
    assert mend
