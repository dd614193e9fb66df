"""Search by meaning: what it finds, what it costs, and that words remain where it fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.embedding import ByMeans

from earnest.core.errors import LackError, ModelError
from earnest.tools import meaning
from earnest.tools.files import Files
from earnest.tools.meaning import Meaning, Vectors, fused
from earnest.tools.search import SearchTool
from earnest.tools.workspace import Workspace


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(Workspace(tmp_path / "w"))
    files.workspace.write("a.md", b"first\nThe boat left in a downpour.\nlast\n")
    files.workspace.write("b.md", b"A vehicle stood there, and a cart.\n")
    files.workspace.write("c.md", b"Nothing is said here.\n")
    return files


@pytest.fixture
def model() -> ByMeans:
    return ByMeans()


@pytest.fixture
def vectors(model: ByMeans, tmp_path: Path) -> Iterator[Vectors]:
    made = Vectors(model, tmp_path / "v.db")
    yield made
    made.close()


Find = Callable[..., list[str]]


@pytest.fixture
def find(files: Files, vectors: Vectors) -> Find:
    tool = SearchTool(files, meaning=Meaning(vectors))
    assert "by meaning" in tool.spec.description
    assert "by meaning" not in SearchTool(files).spec.description
    return lambda query, **more: tool.call({"query": query, **more}).content.split("\n")


def test_what_shares_no_word_is_found_by_meaning_alone(files: Files, find: Find) -> None:
    gold = ["a.md:1-3, by meaning: first The boat left in a downpour. last"]
    assert find("ship, rain") == gold
    assert find("automobile", where="files") == [
        "b.md:1, by meaning: A vehicle stood there, and a cart."
    ]
    without = SearchTool(files).call({"query": "ship, rain"}).content
    assert without == "nothing has any of these words in all"
    assert find("submarine") == ["nothing has any of these words in all"]  # a word without meaning


def test_words_and_meaning_are_one_ranking(find: Find) -> None:
    assert find("ship cart") == [
        "b.md:1: A vehicle stood there, and a cart.",
        "a.md:1-3, by meaning: first The boat left in a downpour. last",
    ]
    # Found by both it comes first, shown by its words.
    assert find("boat said")[0] == "a.md:2: The boat left in a downpour."
    assert find("ship cart", offset=1)[0].startswith("a.md:1-3, by meaning")


def test_a_vector_is_made_once_and_only_for_what_is_new(
    files: Files, find: Find, model: ByMeans, tmp_path: Path
) -> None:
    find("ship")
    assert len(model.asked) == 4  # the query and three files
    find("ship")
    assert len(model.asked) == 4
    files.workspace.write("c.md", b"A vessel after all.\n")
    assert find("ship")[0] == "c.md:1, by meaning: A vessel after all."
    assert model.asked[4:] == ["A vessel after all.\n"]
    files.workspace.remove("c.md")
    assert len(find("ship")) == 1
    # A resumed run, or a sub-agent: the same file, another index.
    again = ByMeans()
    other = Vectors(again, tmp_path / "v.db")
    said = SearchTool(files, meaning=Meaning(other)).call({"query": "ship"}).content
    assert said.startswith("a.md:1-3, by meaning")
    assert again.asked == []
    other.close()


def test_vectors_of_what_is_gone_are_not_held(files: Files, vectors: Vectors) -> None:
    by_meaning = Meaning(vectors)
    tool = SearchTool(files, meaning=by_meaning)
    for n in range(5):
        files.workspace.write("a.md", f"boat {n}\n".encode())
        tool.call({"query": "ship"})
    assert len(by_meaning._rows) == 3
    tool.close()
    assert not by_meaning._rows


def test_another_model_s_vectors_and_a_broken_file_are_not_used(
    files: Files, find: Find, tmp_path: Path
) -> None:
    find("ship")
    other = ByMeans("others")
    vectors = Vectors(other, tmp_path / "v.db")
    SearchTool(files, meaning=Meaning(vectors)).call({"query": "ship"})
    assert len(other.asked) == 4
    vectors.close()
    (tmp_path / "broken.db").write_bytes(b"no database at all, but of some length" * 100)
    vectors = Vectors(other, tmp_path / "broken.db")
    assert vectors.of(["ship"], 1, float("inf"))[1] == 1
    vectors.close()


def test_a_call_makes_so_many_and_says_how_far_it_is(
    files: Files, find: Find, model: ByMeans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "PER_CALL", 2)
    for n in range(6):
        files.workspace.write(f"d{n}", f"word{n} {'boat' if n == 0 else 'cart'}\n".encode())
    said = find("ship word3")
    assert said[-1] == "[by meaning: 2 of 9 pieces so far; each search adds some]"
    assert model.asked[1] == "word3 cart\n"  # what is best by words goes first
    assert not any("boat" in line for line in said)
    for _ in range(4):
        said = find("ship word3")
    assert "so far" not in said[-1]
    assert any(line == "d0:1, by meaning: word0 boat" for line in said)
    monkeypatch.setattr(meaning, "_WITHIN_S", 0.0)
    assert find("glad word3")[0] == "d3:1: word3 cart"
    assert find("glad word3")[-1] == "[by words alone: means is too slow]"


def test_vectors_take_so_much_memory_and_no_more(
    files: Files, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "_MOST_BYTES", 1)
    monkeypatch.setattr(meaning, "_CHUNK", 2)
    assert find("ship there")[-1].startswith("[by meaning: 2 of 3 pieces")
    assert find("ship there")[-1].startswith("[by meaning: 2 of 3 pieces")


@pytest.mark.parametrize(
    "error",
    [ModelError("the server is gone", mend="start it"), LackError("no torch", mend="install it")],
)
def test_where_the_model_fails_words_remain_and_it_is_said(
    find: Find, model: ByMeans, error: Any
) -> None:
    model.broken = error
    assert find("cart ship") == [
        "b.md:1: A vehicle stood there, and a cart.",
        f"[by words alone: {error}; {error.mend}]",
    ]
    assert find("ship")[-1].startswith("[by words alone")
    model.broken = None
    assert find("ship")[0].startswith("a.md:1-3, by meaning")


@pytest.mark.parametrize(
    "made",
    [[[1.0, float("nan")]], [[1.0], [1.0]], [], [1.0], [["a"]], [[]], [[1.0], [1.0, 2.0]]],
)
def test_what_are_no_vectors_is_a_failure_of_the_model(
    vectors: Vectors, model: ByMeans, monkeypatch: pytest.MonkeyPatch, made: Any
) -> None:
    monkeypatch.setattr(model, "embed", lambda _: made)
    with pytest.raises(ModelError, match="means"):
        vectors.of(["ship"], 1, float("inf"))


def test_vectors_of_another_length_are_refused(vectors: Vectors, model: ByMeans) -> None:
    vectors.of(["ship"], 1, float("inf"))
    model.embed = lambda texts: [[1.0, 2.0]] * len(texts)  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ModelError, match="different lengths"):
        vectors.of(["boat"], 1, float("inf"))


def test_a_cache_that_fails_is_none(
    files: Files, find: Find, vectors: Vectors, model: ByMeans
) -> None:
    class Full:
        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        __enter__ = __exit__ = executemany = execute
        close = vectors._db.close

    vectors._db = Full()  # type: ignore[assignment]
    assert find("ship")[0].startswith("a.md:1-3, by meaning")


def test_several_threads_may_search(find: Find) -> None:
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(find("ship"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(one == found[0] and "by meaning" in one[0] for one in found)


@given(st.lists(st.lists(st.integers(0, 20), unique=True), min_size=1, max_size=3))
def test_a_fusion_has_all_once_and_keeps_the_order_of_one(rankings: list[list[int]]) -> None:
    made = fused(*rankings)
    assert sorted(made) == sorted({one for ranking in rankings for one in ranking})
    assert fused(rankings[0]) == rankings[0]
    # What stands no lower in every ranking comes no later.
    places = [{one: at for at, one in enumerate(ranking)} for ranking in rankings]
    for above, below in pairwise(made):
        assert not all(place.get(below, 99) < place.get(above, 99) for place in places)
