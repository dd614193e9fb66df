import pytest
from tests.verify.test_verifier import finding

from earnest.core.catalogue import Catalogue, Entry
from earnest.core.closed_book import graded, questions
from earnest.core.history import Asked, ClosedBook
from earnest.core.likeness import Related
from earnest.core.novelty import PARTS, read_novelty
from earnest.core.records import Verdict
from earnest.verify.novelty import novelty

ONE = finding()


class View:
    def __init__(self, *kin, told=None):
        self.kin = [Related(how, f"sha256:{how}", "confirmed", "cars") for how in kin]
        self.told = told

    def related(self, one):
        return self.kin

    def closed_book(self, name):
        return self.told if name == ONE.id else None


def said(*says):
    """The replies of a model that says these things in turn."""
    asked = []
    for put, wanted in zip(questions(ONE.claim, "plain"), says, strict=False):
        reply = next((word for word, meant in put.means.items() if meant == wanted), "unknown")
        asked.append(Asked(question=put.text, answer=reply, says=graded(put, reply)))
    return ClosedBook(finding=ONE.id, model="gpt", asked=tuple(asked))


AGREES = said(*["agrees"] * 4, "nothing")


def listed(direction):
    claim = ONE.claim.model_copy(update={"direction": direction})
    return Catalogue({"known, entry 1": Entry(claim=claim, source="Smith 2020")})


@pytest.mark.parametrize(
    ("kin", "starts", "names"),
    [
        ((), "novel: ledger: no earlier", ""),
        (("near",), "novel: ledger: the nearest", "sha256:near (confirmed, on cars)"),
        (("extends", "near"), "extends: ", "sha256:extends"),
        (("contradicts", "extends"), "contradicts: ", "sha256:contradicts"),
        (("known", "contradicts"), "known: ", "sha256:known"),
    ],
)
def test_the_grade_names_the_finding_it_is_about_and_decides_nothing(kin, starts, names):
    check = novelty(ONE, View(*kin), Catalogue())
    assert (check.name, check.passed) == ("novelty", None)
    assert check.detail.startswith(starts)
    assert names in check.detail
    assert "closed-book: not asked; catalogue: empty" in check.detail
    assert check.observed["findings"] == len(kin)


@pytest.mark.parametrize(
    ("kin", "told", "direction", "grades"),
    [
        ((), None, "", ("novel", "novel", None, "novel")),
        ((), AGREES, "", ("known", "novel", "known", "novel")),
        ((), AGREES, "negative", ("known", "novel", "known", "contradicts")),
        ((), said("nothing"), "positive", ("known", "novel", "novel", "known")),
        (("extends",), said(*["opposite"] * 4, "nothing"), "",
         ("contradicts", "extends", "contradicts", "novel")),
        (("extends",), said("opposite", "agrees"), "", ("extends", "extends", "novel", "novel")),
    ],
)  # fmt: skip
def test_one_word_of_three_parts_in_words_and_in_figures(kin, told, direction, grades):
    catalogue = listed(direction) if direction else Catalogue()
    check = novelty(ONE, View(*kin, told=told), catalogue)
    verdict = Verdict(
        finding=ONE.id, word="invalid", reason="", checks=(check,), seed=1, verifier="v"
    )
    read = read_novelty(Verdict.from_bytes(verdict.data))
    assert tuple(read[name] for name in ("grade", *PARTS)) == grades
    assert check.observed["entries"] == bool(direction)
    assert ("Smith 2020 (known, entry 1)" in check.detail) == bool(direction)
    if told is None:
        assert "asked" not in check.observed
    else:
        assert "gpt" in check.detail
        assert check.observed["asked"] == len(told.asked)


def test_replies_are_counted():
    figures = novelty(ONE, View(told=said("opposite", "agrees")), Catalogue()).observed
    assert (figures["asked"], figures["agree"], figures["opposite"]) == (2, 1, 1)
