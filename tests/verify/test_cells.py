import os

import pandas as pd
from tests.verify.nulls import claim

from earnest.verify.cells import cells_of, narrow, text_of


def test_a_file_is_parsed_once_and_again_when_it_has_changed(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("x,y\n1,NA\n")
    first = cells_of(file)
    assert first["y"].isna().all()
    assert text_of(file)["y"].tolist() == ["NA"]
    assert cells_of(file) is first
    file.write_text("x,y\n1,2\n2,3\n")
    os.utime(file, ns=(1, 1))
    assert cells_of(file)["y"].tolist() == ["2", "3"]
    assert text_of(file)["y"].tolist() == ["2", "3"]


def test_only_what_a_claim_names_is_kept_in_the_tables_order():
    frame = pd.DataFrame(columns=["a", "y", "b", "g", "x", "c", "z"])
    one = claim("association", "positive", exposure="x", subset="z > 1")
    assert narrow(frame, one, "grouped:g").columns.tolist() == ["y", "g", "x", "z"]
    assert narrow(frame, one, "iid", others=2).columns.tolist() == ["a", "y", "b", "x", "z"]
    lacking = claim("association", "positive", exposure="q")
    assert narrow(frame, lacking, "iid") is frame
