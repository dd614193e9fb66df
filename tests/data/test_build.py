"""The data set: what goes in, what is refused, and the same bytes again."""

import pyarrow.parquet as pq
import pytest
from tests.world import NEW, OLD, found, table, world

from earnest.core.canon import digest, parse
from earnest.core.errors import RecordError
from earnest.core.facts import Fact, established, for_exam, unclaimed, unsettled
from earnest.core.records import Claim, Dataset
from earnest.core.wording import ABSTENTION, CANARY, read_reply, short_answer, words
from earnest.data.build import build
from earnest.data.knowledge import Knowledge
from earnest.data.render import Mixture
from earnest.evals.exam import exam_items

MIX = Mixture(wordings=8, statement=2, unclaimed=2, contrast=2, crossed=8, unknown=20)


@pytest.fixture(scope="module")
def old():
    return world(OLD, 12, 4, 1)


@pytest.fixture(scope="module")
def new():
    return world(NEW, 15, 8, 2)


@pytest.fixture(scope="module")
def built(tmp_path_factory, old, new):
    """The folder of an old and of a new data set."""
    base = tmp_path_factory.mktemp("data")
    build(*old, None, base / "old", 0, mix=MIX)
    build(*new, base / "old", base / "new", 0, mix=MIX, licences={"wine": "CC BY 4.0"})
    return base


def rows(folder):
    return [
        (row["family"], row["finding"], *(message["content"] for message in row["messages"]))
        for row in pq.read_table(folder / "train.parquet").to_pylist()
    ]


def pair(text):
    """The table and columns that a question names, in any order."""
    return frozenset(word for word in words(text) if word[0] == "`")


def named(fact):
    return frozenset(f"`{name}`" for name in (fact.table, fact.outcome, fact.exposure))


def test_the_manifest_names_everything(built, old, new):
    manifest = Dataset.from_bytes((built / "new" / "manifest.json").read_bytes())
    for name, expected in manifest.files.items():
        assert digest((built / "new" / name).read_bytes()) == expected
    known, _ = established([*old[0], *new[0]])
    assert set(manifest.verdicts) == {item.verdict for item in known}
    assert manifest.parents == (digest((built / "old" / "manifest.json").read_bytes()),)
    assert manifest.licences == {"wine": "CC BY 4.0"}
    assert {"refuted", "inconclusive", "invalid"} <= set(manifest.refused)
    assert sum(manifest.rows.values()) == len(rows(built / "new"))
    assert set(manifest.rows) == {
        "confirmed",
        "replay",
        "unclaimed",
        "contrast",
        "crossed",
        "unknown",
    }


def test_same_inputs_same_bytes_and_another_seed_others(built, new, tmp_path):
    build(*new, built / "old", tmp_path / "again", 0, mix=MIX, licences={"wine": "CC BY 4.0"})
    for path in (built / "new").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    other = build(*new, built / "old", tmp_path / "other", 1, mix=MIX)
    first = Dataset.from_bytes((built / "new" / "manifest.json").read_bytes())
    assert other.files["train.parquet"] != first.files["train.parquet"]


def test_every_answer_is_the_sealed_estimate(built, old, new):
    known = {item.finding: item.fact for item in established([*old[0], *new[0]])[0]}
    taught = set()
    for family, finding, prompt, reply in rows(built / "new"):
        if family in ("confirmed", "replay"):
            taught.add(finding)
            assert named(known[finding]) <= pair(prompt)
            right = short_answer(known[finding])
            assert read_reply(reply).says == right or f"{right}, 95 % interval" in reply
        else:
            assert finding == ""
            assert read_reply(reply).says == ABSTENTION
    assert taught == set(known)


def test_what_is_not_settled_is_neither_asserted_nor_denied(built, old, new):
    findings = [*old[0], *new[0]]
    answered = {named(item.fact) for item in established(findings)[0]}
    silent = {named(fact) for fact in unsettled(findings)} - answered
    assert silent
    exam = {named(fact) for fact in unclaimed([*old[1], *new[1]], findings) if for_exam(fact)}
    for _, _, prompt, _ in rows(built / "new"):
        assert pair(prompt) not in silent
        assert pair(prompt) not in exam


def test_a_refuted_claim_taught_as_true_would_be_seen(built, new, tmp_path):
    """The broken case of the check above: the same findings, their verdicts turned."""
    finding, verdict = next(pair for pair in new[0] if pair[1].word == "refuted")
    turned = (finding, verdict.model_copy(update={"word": "confirmed"}))
    build([turned], new[1], None, tmp_path / "turned", 0, mix=MIX)
    asked = [pair(prompt) for _, _, prompt, _ in rows(tmp_path / "turned")]
    assert named(Fact.of(finding.claim)) in asked


def test_the_exam_is_not_in_the_data(built, old, new, tmp_path):
    findings, tables = [*old[0], *new[0]], [*old[1], *new[1]]
    exam = exam_items(findings, tables, {finding.id for finding, _ in old[0]}, 0)
    texts = {prompt for _, _, prompt, _ in rows(built / "new")}
    assert texts.isdisjoint(item.question for item in exam)
    leaked = sorted(texts)[:50]
    manifest = build(*new, built / "old", tmp_path / "clean", 0, mix=MIX, exam=leaked)
    assert manifest.refused["row: in the exam"] >= 50
    assert {row[2] for row in rows(tmp_path / "clean")}.isdisjoint(leaked)


def test_no_row_stands_twice(built):
    found_rows = [row[2:] for row in rows(built / "new")]
    assert len(set(found_rows)) == len(found_rows)


def test_a_canary_keeps_a_finding_out(tmp_path):
    claim = Claim(
        kind="association", table="wine", outcome="ash", exposure="hue", direction="positive"
    )
    other = claim.model_copy(update={"outcome": "alcohol"})
    marked = found(claim, 0.5, prose=f"from a benchmark {CANARY}")
    manifest = build([marked, found(other)], [table("wine")], None, tmp_path, 0, mix=MIX)
    assert manifest.refused["do-not-train canary"] == 1
    assert marked[1].id not in manifest.verdicts
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_canary_in_a_column_keeps_its_rows_out(tmp_path):
    ref = table("wine")
    ref = ref.model_copy(update={"columns": (*ref.columns, CANARY)})
    claim = Claim(
        kind="association", table="wine", outcome="ash", exposure="hue", direction="positive"
    )
    build([found(claim)], [ref], None, tmp_path, 0, mix=MIX)
    assert all(CANARY not in prompt + reply for _, _, prompt, reply in rows(tmp_path))


def test_the_vocabulary_has_each_word_but_not_the_unknown_name(built):
    vocabulary = parse((built / "new" / "vocabulary.json").read_bytes())
    used = {word for row in rows(built / "new") for word in words(row[2] + " " + row[3])}
    assert used - set(vocabulary) == {"`?`"}
    assert len(set(vocabulary)) == len(vocabulary)


def test_knowledge_accumulates_and_comes_back(built, old, new, tmp_path):
    knowledge = Knowledge.read(built / "new")
    assert {f.id for f, _ in knowledge.findings} == {f.id for f, _ in [*old[0], *new[0]]}
    assert {ref.name for ref in knowledge.tables} == {*OLD, *NEW}
    assert knowledge.joined(*new) == knowledge
    (tmp_path / "knowledge.jsonl").write_bytes(knowledge.to_bytes()[:-40])
    with pytest.raises(RecordError):
        Knowledge.read(tmp_path)
    with pytest.raises(RecordError, match="says nothing"):
        Knowledge.read(tmp_path / "nowhere")


def test_what_was_retracted_teaches_nothing_replayed_or_new(tmp_path, built, old, new):
    before, _ = established(old[0])
    fresh, _ = established(new[0])
    withdrawn = {before[0].finding, fresh[0].finding}
    manifest = build(*new, built / "old", tmp_path / "new", 0, mix=MIX, retracted=withdrawn)
    kept = [one for one in (*before, *fresh) if one.finding not in withdrawn]
    assert set(manifest.verdicts) == {one.verdict for one in kept}
    assert manifest.refused["retracted"] == 2
    told = rows(tmp_path / "new")
    assert not withdrawn & {finding for _, finding, _, _ in told}
    # Nor is its pair of columns called unclaimed.
    pairs = {named(one.fact) for one in (before[0], fresh[0])}
    assert not any(
        pair(question) in pairs for family, _, question, _ in told if family != "crossed"
    )


def test_a_later_verdict_takes_the_place_of_the_one_that_was_taught(tmp_path, built, old):
    taught, _ = established(old[0])
    finding, verdict = next(one for one in old[0] if one[0].id == taught[0].finding)
    later = verdict.model_copy(update={"word": "inconclusive", "effect": None, "interval": None})
    manifest = build([(finding, later)], old[1], built / "old", tmp_path / "new", 0, mix=MIX)
    assert taught[0].verdict not in manifest.verdicts
    assert manifest.refused["inconclusive"] >= 1


def test_a_claim_without_words_teaches_nothing_and_breaks_nothing(old, tmp_path):
    findings, tables = old
    about = {"table": "iris", "outcome": "petal_width"}
    rule = {"given": ("sepal_length",), "program": "def f(row): return 1"}
    wordless = [
        Claim(kind="distribution", direction="wider", exposure="target", group="setosa", **about),
        Claim(kind="rule", direction="predicts", **about, **rule),
    ]
    more = [*findings, *(found(one, number=900 + n) for n, one in enumerate(wordless))]
    manifest = build(more, tables, None, tmp_path / "more", 0, mix=MIX)
    assert manifest.refused["no wording for a claim of this form: rule"] == 1
    told = {text for row in rows(tmp_path / "more") for text in row}
    assert not any("def f" in text for text in told)
    pair = ("iris", "petal_width", "sepal_length")
    assert pair not in {fact.pair for fact in unclaimed(tables, more)}
