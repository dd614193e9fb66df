"""A changed copy is byte for byte what pandas writes of the whole table."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.verify.evidence_tables import part, redrawn, reordered, shuffled, together
from earnest.verify.evidence_text import cut

CELLS = st.sampled_from(["", "a", "1.50", "north west", "x,y", 'say "so"', "two\nlines", "é", "'"])


@st.composite
def tables(draw):
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 5))
    names = [f"c{number}" if number else "a, first" for number in range(columns)]
    cells = draw(st.lists(CELLS, min_size=rows * columns, max_size=rows * columns))
    frame = pd.DataFrame(
        {name: cells[at * rows : (at + 1) * rows] for at, name in enumerate(names)}, dtype=str
    )
    some = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return frame, [name for name in names if name in some]


@settings(max_examples=150, deadline=None)
@given(tables(), st.integers(0, 99))
def test_it_is_what_pandas_writes_of_the_whole(table, seed):
    frame, columns = table
    text = frame.to_csv(index=False, lineterminator="\n")
    whole = cut(text, columns, len(frame))
    assert whole is not None
    assert whole.written(frame[columns]) == text
    changes = [shuffled(columns[0], seed), redrawn(columns[-1], seed), reordered("iid", seed)]
    changes += [part("iid", seed)] if len(frame) > 1 else []
    for variant in (*changes, together(*changes)):
        wanted = variant(frame).to_csv(index=False, lineterminator="\n")
        assert whole.written(variant(frame[columns])) == wanted


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", 2),
        ("a,b\n1,2,3\n", 1),
        ("a,b\r\n1,2\r\n", 1),
        ("a,a\n1,2\n", 1),
        ("c,b\n1,2\n", 1),
        ("", 0),
    ],
)
def test_what_is_no_plain_table_is_not_cut(text, rows):
    assert cut(text, ["a"], rows) is None
    assert cut("a,b\n1,2\n", ["a"], 1) is not None


def test_a_copy_of_a_wide_table_is_written_in_a_tenth_of_the_time():
    """300 rows of 3,000 columns, in turns with pandas: prints both in CPU seconds (`-s`)."""
    rng = np.random.default_rng(1)
    names = [f"c{number}" for number in range(3000)]
    frame = pd.DataFrame(rng.normal(size=(300, 3000)).round(4), columns=names).astype(str)
    text = frame.to_csv(index=False, lineterminator="\n")
    whole = cut(text, ["c7", "c2000"], len(frame))
    spent = {"pandas": [], "cut": []}
    for seed in range(2):
        variant = together(shuffled("c7", seed), reordered("iid", seed))
        began = time.process_time()
        wanted = variant(frame).to_csv(index=False, lineterminator="\n")
        spent["pandas"].append(time.process_time() - began)
        began = time.process_time()
        found = whole.written(variant(frame[["c7", "c2000"]]))
        spent["cut"].append(time.process_time() - began)
        assert found == wanted
    print({name: [round(one, 3) for one in times] for name, times in spent.items()})  # noqa: T201
    assert min(spent["cut"]) * 10 < min(spent["pandas"])
