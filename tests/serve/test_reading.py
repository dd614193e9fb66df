"""What can be read over HTTP, of a real ledger."""

import pytest
from tests.ledger.offers import THERE, an_import
from tests.ledger.offers import found as theirs
from tests.serve.conftest import filled

from earnest.core.canon import digest
from earnest.core.trusted import trust
from earnest.ledger.ledger import Ledger
from earnest.serve.answers import DEEPEST, MOST, Answers
from earnest.serve.problems import Problem


@pytest.fixture
def made(home):
    return filled(home)


@pytest.fixture
def get(open_app, reader, made):
    """Return what a path answers, which must have this status."""
    client = open_app()

    def got(path, status=200, **asked):
        told = client.get(path, headers=reader, params=asked)
        assert told.status_code == status, told.text
        return told.json()

    return got


def without_absent(value):
    """A JSON value without what its shape fills in."""
    if isinstance(value, dict):
        filled_in = {
            "retracted": False,
            "design": None,
            "novelty": "",
            "estimator": "",
            "source": "",
            "tested_here": [],
            "export": None,
        }
        return {
            key: without_absent(item)
            for key, item in value.items()
            if key not in filled_in or item != filled_in[key]
        }
    return [without_absent(item) for item in value] if isinstance(value, list) else value


def same(told, answer):
    """Nothing of what the answers say is lost on the way, and nothing is added."""
    told, answer = without_absent(told), without_absent(answer)
    answer.setdefault("not_covered", told.get("not_covered"))
    if answer["not_covered"] is None:
        del answer["not_covered"]
    assert told == answer


def test_what_the_answers_say_arrives_whole(get, made, home):
    answers = Answers(home.ledger, home.blobs)
    same(get("/v1/findings", limit=50), answers.search("", limit=50))
    same(get("/v1/findings", query="heavier engine"), answers.search("heavier engine"))
    same(get("/v1/findings", word="refuted"), answers.search("", word="refuted"))
    same(get("/v1/open-questions"), answers.open_questions())
    same(get("/v1/open-questions", table="cars"), answers.open_questions(table="cars"))
    for one in made.values():
        same(get(f"/v1/findings/{one.id}"), answers.get(one.id))
        same(get(f"/v1/findings/{one.id}/status"), answers.status(one.id))
        same(get(f"/v1/findings/{one.id}/related"), answers.related(one.id))
    assert get(f"/v1/findings/{made['kin'].id}/related")["related"]
    assert get("/v1/open-questions")["questions"]


def test_what_another_ledger_says_arrives_whole(home, open_app, reader):
    trust(home.trusted, "them", THERE.public)
    with Ledger(home.ledger) as ledger:
        ledger.take_in(an_import(theirs()))
        ledger.take_in(an_import(theirs("z"), withdrawn="retracted", why="wrong"))
    answers, client = Answers(home.ledger, home.blobs, home.trusted), open_app()
    page = client.get("/v1/findings", headers=reader).json()
    same(page, answers.search(""))
    assert len(page["imported"]) == 2
    for one in page["imported"]:
        for end, answer in (("", answers.get), ("/status", answers.status)):
            told = client.get(f"/v1/findings/{one['id']}{end}", headers=reader)
            assert told.status_code == 200, told.text
            same(told.json(), answer(one["id"]))
            assert (told.json()["trust"], told.json()["source"]) == ("imported", "them")


def test_pages_follow_each_other(get, made):
    seen, offset = [], 0
    while offset is not None:
        page = get("/v1/findings", limit=2, offset=offset)
        seen += [one["id"] for one in page["findings"]]
        offset = page["next"]
    assert sorted(seen) == sorted(one.id for one in made.values())


def test_an_id_may_be_short(get, made):
    whole = made["confirmed"].id
    for name in (whole[7:15], whole[7:], whole):
        assert get(f"/v1/findings/{name}/status")["id"] == whole


def test_what_is_not_there_is_told(get, made, home):
    for name in ("0" * 64, "sha256:" + "0" * 64, "00000000"):
        for end in ("", "/status", "/related"):
            told = get(f"/v1/findings/{name}{end}", 404)
            assert Problem.model_validate(told).error
    with Ledger(home.ledger) as ledger:
        verdict = ledger.verdict(made["confirmed"].id)
    get(f"/v1/findings/{verdict.id}", 422)


@pytest.mark.parametrize(
    ("path", "asked", "about"),
    [
        ("/v1/findings", {"limit": 0}, "limit"),
        ("/v1/findings", {"limit": MOST + 1}, "limit"),
        ("/v1/findings", {"limit": "ten"}, "limit"),
        ("/v1/findings", {"offset": -1}, "offset"),
        ("/v1/findings", {"offset": DEEPEST + 1}, "offset"),
        ("/v1/findings", {"word": "true"}, "word"),
        ("/v1/findings", {"query": "x" * 1001}, "query"),
        ("/v1/open-questions", {"table": "x" * 601}, "table"),
        ("/v1/findings/sha256:xyz", {}, "id"),
        ("/v1/findings/SHA256:" + "0" * 64, {}, "id"),
        ("/v1/findings/\u202e\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667", {}, "id"),
        ("/v1/findings/12345678%0d%0aX-Injected:%20yes/status", {}, "id"),
    ],
)
def test_what_is_asked_wrongly_is_told(get, path, asked, about):
    told = get(path, 422, **asked)
    assert about in told["error"]
    assert "\u202e" not in told["error"]


def test_a_query_may_be_of_anything(get):
    for query in ("\u202e", "\x00", '"', "* OR NEAR(", "'; DROP TABLE record", "\U0001f600 é", "%"):
        assert get("/v1/findings", query=query)["more"] is False


def test_a_broken_ledger_is_no_missing_finding(get, made, home):
    home.ledger.write_bytes(digest(b"x").encode() * 200)
    told = get(f"/v1/findings/{made['confirmed'].id}", 500)
    assert str(home.root) not in str(told)
