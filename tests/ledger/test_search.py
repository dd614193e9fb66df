import sqlite3

import pytest

from earnest.ledger import search as module
from earnest.ledger.search import names, search


@pytest.fixture
def db():
    db = sqlite3.connect(":memory:")
    db.execute(
        "CREATE VIRTUAL TABLE text USING fts5 (sentence, prose, names, "
        "tokenize = 'porter unicode61')"
    )
    yield db
    db.close()


def fill(db, *texts):
    db.executemany(
        "INSERT INTO text (rowid, sentence, prose, names) VALUES (?, ?, '', ?)",
        [(number, text, names(text)) for number, text in enumerate(texts, start=1)],
    )


def test_all_words_come_before_any(db):
    fill(db, "age and income", "age alone", "income alone")
    assert search(db, "age income", 10) == [1]
    assert search(db, "age zebra", 10) == [2, 1]


def test_with_all_words_the_best_by_bm25_comes_first(db):
    fill(db, "age " + "and more words " * 20, "age", "nothing")
    assert search(db, "age", 10) == [2, 1]


def test_common_words_do_not_rank_and_rare_ones_do(db, monkeypatch):
    monkeypatch.setattr(module, "_COMMON", 20)
    fill(db, *(["the mean"] * 30), "the mean zebra", *(["the mean"] * 30))
    assert search(db, "the mean zebra", 5) == [31]
    # No finding has all; the rare word decides, the common ones are not even looked at.
    assert search(db, "the mean zebra unheard", 5) == [31]


def test_where_all_words_are_common_the_newest_come_first(db, monkeypatch):
    monkeypatch.setattr(module, "_COMMON", 20)
    fill(db, *(["the mean"] * 50))
    assert search(db, "the mean", 3) == [50, 49, 48]


def test_of_any_words_rare_ones_weigh_more(db):
    fill(db, *(["tide"] * 30), "tide moon", "moon tide wind")
    found = search(db, "tide wind nothing", 3)
    assert found[0] == 32


@pytest.mark.parametrize("query", ["", "   ", '"', "( OR", "*", "a" * 10_000, "NEAR(x y)"])
def test_anything_can_be_asked(db, query):
    fill(db, "age")
    assert search(db, query, 5) == []


@pytest.mark.parametrize("query", ["\x00", "age\x00income", "\ud800", "age \udfff", '"\x00"'])
def test_what_the_index_does_not_take_is_left_out(db, query):
    fill(db, "age and income")
    assert search(db, query, 5) == ([1] if "age" in query else [])


def test_very_long_questions_are_cut(db):
    fill(db, "age")
    assert search(db, "age " * 1000, 5) == [1]
    assert search(db, " ".join(f"w{k}" for k in range(1000)) + " age", 5) == []


def test_names_are_found_whole_in_parts_and_by_their_parts(db):
    fill(db, "`bill_length_mm` rises", "`bill_depth_mm` and `length` rise", "the bill, length")
    assert search(db, "bill_length_mm", 5) == [1]
    assert search(db, "bill length", 5)[:2] != []
    assert set(search(db, "bill length", 5)) == {1, 2, 3}
    assert set(search(db, "bill_length", 5)) == {1, 3}  # as a phrase: no name is just that
    assert search(db, "bill_depth_mm rise", 5) == [2]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("In cars, `mean_age` tends to rise", "meanage"),
        ("od280/od315_of_diluted_wines and C.peptide", "od280od315ofdilutedwines Cpeptide"),
        ("by at least 0.25 on 2026-11-25", ""),
        ("a_b a_b _x y_ --", "ab"),
        ("`größe_in_cm`", "größeincm"),
    ],
)
def test_the_names_in_a_text(text, found):
    assert names(text) == found
