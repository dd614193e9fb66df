"""Texts that try to be more than data, wherever others' text can enter a prompt: each is marked.

The model here is a script that keeps every message it is given. The same run with harmless names
is the control: what is offered, what may be done and the verdicts are the same.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import dataclass, field

import pandas as pd
import pytest

from earnest.agent.prompt import RULES, opening
from earnest.capture.candidates import Candidate
from earnest.capture.propose import proposed
from earnest.core import closed_book
from earnest.core.canon import digest
from earnest.core.errors import ToolError
from earnest.core.known import Page, block, known_row
from earnest.core.messages import Message, ToolCall
from earnest.core.records import Author, Claim, TableRef, Task
from earnest.ledger.ledger import Ledger
from earnest.models.local import LocalModel
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart, known
from earnest.recipes.research import explore, make_task, research
from earnest.tasks.registry import Registry
from earnest.tools.findings import MOST_FINDINGS, SubmitFinding, Submitter
from tests.homes import home_at
from tests.injections import CONTROL, KINDS, MARK, TEXTS, inside, outside, wrongs
from tests.world import found

SHORT = {mark: text for mark, text in TEXTS.items() if len(text) < 1000}
LONG = {mark: text for mark, text in TEXTS.items() if mark not in SHORT}
READ = """
import argparse, json, pathlib
import pandas as pd

options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
(file,) = pathlib.Path(options.data).glob("*.csv")
table = pd.read_csv(file, dtype=str)
first, second = (pd.to_numeric(table.iloc[:, place]) for place in (0, 1))
"""
HONEST = f"""{READ}
rho = float(first.corr(second, method="spearman"))
pathlib.Path(options.out).write_text(json.dumps({{"rho": rho}}))
"""
FORGED = f"""{READ}
pathlib.Path(options.out).write_text(json.dumps({{"rho": 0.7}}))
"""


def marks(text):
    return set(MARK.findall(text))


def test_there_are_enough_of_them():
    assert len(TEXTS) >= 40
    assert len(KINDS) >= 12
    assert len(set(TEXTS.values())) == len(TEXTS)


@pytest.mark.parametrize("mark", TEXTS)
def test_unmarked_each_is_found(mark):
    assert list(wrongs(TEXTS[mark]))
    assert list(wrongs(f"| a bar before the first line only: x\n{TEXTS[mark]}"))


# The opening message


@pytest.mark.parametrize("mark", TEXTS)
def test_names_in_the_opening_message(mark):
    text = TEXTS[mark]
    ref = TableRef(
        name=text,
        table=digest(b"t"),
        visible=digest(b"v"),
        design=f"grouped:{text}",
        rows=9,
        columns=(text, "b"),
    )
    system, user = opening(Task(kind="research", prompt="What is going on?", tables=(ref,)))
    assert system.content == RULES
    assert list(wrongs(user.content)) == []
    assert inside(user.content).count(mark) >= 4  # its name, its file, its design, its column


def hostile(home, mark, text):
    """A finding of another table all of whose words are hostile, with its verdict."""
    finding, verdict = found(
        Claim(kind="association", table="wine", outcome="ash", exposure="hue", direction="negative")
    )
    ref = finding.table.model_copy(
        update={"name": text, "table": digest(mark.encode()), "columns": (text, "x")}
    )
    evidence = finding.evidence.model_copy(update={"script": home.blobs.put(text.encode())})
    finding = finding.model_copy(
        update={
            "claim": finding.claim.model_copy(
                update={"outcome": text, "exposure": "x", "table": text}
            ),
            "table": ref,
            "evidence": evidence,
            "prose": text,
            "author": Author(principal="them", model=text),
            "run": f"run {mark}",
        }
    )
    return finding, verdict.model_copy(update={"finding": finding.id, "reason": text})


@pytest.mark.parametrize("mark", TEXTS)
def test_what_the_ledger_knows(home, mark):
    pair = hostile(home, mark, TEXTS[mark])
    said = block(Page((known_row(*pair, "verified", "another table"),), 1))
    assert list(wrongs(said)) == []
    assert inside(said).count(mark) >= 2  # its table, its sentence


# A captured session


@pytest.mark.parametrize("mark", TEXTS)
def test_what_a_model_reads_of_a_captured_session(mark):
    text = TEXTS[mark]
    ref = TableRef(
        name=text, table=digest(b"t"), visible=digest(b"v"), design="iid", rows=9, columns=(text,)
    )
    model = Recorder([say(text)])
    candidate = Candidate(session=text, turn=0, line=1, statement=text, agent=text)
    assert proposed(candidate, model, [ref]) == candidate
    ((message,),) = model.given
    assert list(wrongs(message.content)) == []
    assert inside(message.content).count(mark) >= 3  # a table's name, its column, the statement


# A run


class Watched:
    """A sandbox, and the networks that its jobs were given."""

    def __init__(self, sandbox):
        self.sandbox, self.nets = sandbox, []

    def __getattr__(self, name):
        return getattr(self.sandbox, name)

    def run(self, job):
        self.nets.append(job.net)
        return self.sandbox.run(job)

    def open(self, job):
        self.nets.append(job.net)
        return self.sandbox.open(job)


class Recorder(ScriptedModel):
    """A script that keeps what it is given."""

    def __init__(self, turns):
        super().__init__(turns)
        self.given, self.offered = [], []

    def generate(self, messages, tools, sampling):
        self.given.append(list(messages))
        self.offered.append(list(tools))
        return super().generate(messages, tools, sampling)


@dataclass
class Run:
    """What came of a run: what its model was given, its jobs' networks, how it ended."""

    texts: dict[str, str]
    model: Recorder
    nets: list = field(default_factory=list)
    result: object = None

    @property
    def answers(self):
        return {one.call: one.content for one in self.model.given[-1] if one.role == "tool"}


def cell(code):
    return "python", {"code": code}


def written(texts):
    """Code that has these texts in `texts`."""
    return f"import json\ntexts = json.loads({json.dumps(list(texts.values()))!r})\n"


def submission(ref, script, **more):
    asked = {
        "kind": "association",
        "table": ref.name,
        "outcome": ref.columns[0],
        "exposure": ref.columns[1],
        "direction": "positive",
        "script": script,
        "supports": "rho > 0.2",
    }
    return "submit_finding", {**asked, **more}


def calls_of(ref, texts, ids):
    """What the script does, by the id of the call."""
    short = {mark: text for mark, text in texts.items() if mark in SHORT}
    some = "".join(short.values())[:4000]
    named = "name = text.replace('/', '_').replace(chr(0), '')[:150]"
    put = "open(name, 'w').write(text) if name.isprintable() else 0"
    touch = f"for text in texts:\n  {named}\n  {put}"
    made = {
        "printed": cell(f"{written(short)}print('\\n'.join(texts))"),
        "raised": cell(f"{written(short)}raise ValueError(''.join(texts))"),
        "repeated": cell("'|'.join(texts)"),
        "filed": cell(f"{touch}\nopen('all.txt', 'w').write('\\n'.join(texts))"),
        "read": ("read", {"path": "all.txt"}),
        "listed": ("glob", {}),
        "grepped": ("grep", {"pattern": ".*", "glob": "all.txt"}),
        "shelled": ("shell", {"command": "cat all.txt >&2; echo"}),
        "sought": ("search", {"query": some}),
        "noted": ("notes", {"action": "append", "text": "\n".join(short.values())}),
        "notes": ("notes", {"action": "read"}),
        "wrong-column": submission(ref, HONEST, outcome=some),
        "wrong-level": submission(
            ref, HONEST, kind="difference", direction="higher", exposure="level", group="none"
        ),
        "wrong-script": submission(ref, f"raise SystemExit({some!r})"),
        "wrong-field": submission(ref, HONEST, kind=some),
        "honest": submission(ref, HONEST, prose=some),
        "forged": submission(ref, f"# {some!r}\n{FORGED}", subset="u > -9"),
        "searched": ("search_findings", {"words": "tends to fall"}),
        "unknown": ("get_finding", {"finding": some}),
    }
    made |= {
        f"long-{mark}": cell(f"{written({mark: texts[mark]})}print(texts[0])") for mark in LONG
    }
    made |= {f"path-{mark}": ("read", {"path": texts[mark]}) for mark in short}
    made |= {f"get-{mark}": ("get_finding", {"finding": id_}) for mark, id_ in ids.items()}
    return made


def sealed(home, texts, most=1000):
    """A table whose columns and levels have these names; the first two go together."""
    draw = random.Random(2)
    names = ["u", *(text for mark, text in texts.items() if mark in SHORT)][: most + 1]
    columns = {name: [f"{draw.gauss(0, 1):.3f}" for _ in range(300)] for name in names}
    columns[names[1]] = [f"{float(x) + draw.gauss(0, 1):.3f}" for x in columns["u"]]
    columns["level"] = [list(texts.values())[number % 40] for number in range(300)]
    return Registry(home).seal_frame(pd.DataFrame(columns), "t", design="iid")


def withdrawn(mark):
    """Whether the finding with a text is withdrawn: one in four."""
    return int(mark[3:5]) % 4 == 1


def done(home, sandbox, texts):
    """One run on a ledger that holds hostile findings."""
    ref, ids = sealed(home, texts), {}
    pairs = {mark: hostile(home, mark, text) for mark, text in texts.items()}
    with Ledger(home.ledger) as ledger:
        ledger.submit([finding for finding, _ in pairs.values()], testable=[])
        ledger.conclude_all([verdict for _, verdict in pairs.values()])
        for mark, (finding, _) in pairs.items():
            ids[mark] = finding.id
            if withdrawn(mark):
                ledger.retract(finding.id, by="them", why=texts[mark][:2000])
    made = calls_of(ref, texts, ids)
    calls = tuple(ToolCall(id=id_, name=n, arguments=args) for id_, (n, args) in made.items())
    odd = tuple(ToolCall(id=f"no-{mark}", name=text) for mark, text in texts.items())
    model = Recorder(
        [Message(role="assistant", content="I look.", calls=calls + odd), say("Over.")]
    )
    run, watched = Run(texts, model), Watched(sandbox)
    task = known.informed(home, make_task("Does it tend to fall?", [ref]))
    run.result = explore(home, "run", task, model, watched, lambda _: None)
    run.nets = watched.nets
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, sandbox):
    """The hostile run, and its harmless twin."""
    folder, made = tmp_path_factory.mktemp("injections"), []
    for name, texts in (("hostile", TEXTS), ("harmless", {mark: mark for mark in TEXTS})):
        made.append(done(home_at(folder / name), sandbox, texts))
    return made


def test_every_message_of_a_run_is_marked(runs):
    run, _ = runs
    assert len(run.model.given) == 2
    for messages in run.model.given:
        assert messages[0].content == RULES
        for message in messages[1:]:
            if message.role != "assistant":
                assert list(wrongs(message.content)) == []


@pytest.mark.parametrize(
    ("place", "least"),
    [
        *((place, len(SHORT)) for place in ("printed", "raised", "repeated", "read", "notes")),
        *(("filed", 15), ("listed", 15), ("wrong-column", 40), ("wrong-level", 12)),
        *(("wrong-script", 20), ("unknown", 1), ("searched", 10)),
    ],
)
def test_each_place_was_reached(runs, place, least):
    assert len(marks(inside(runs[0].answers[place]))) >= least


def test_each_text_reached_the_model_as_a_cell_a_path_a_finding_and_a_tool(runs):
    answers = runs[0].answers
    assert len(marks(inside(runs[0].model.given[0][1].content))) >= len(SHORT)
    for mark in TEXTS:
        told = inside(answers[f"get-{mark}"])
        assert told.count(mark) >= (3 if withdrawn(mark) else 5)
        assert mark in inside(answers[f"no-{mark}"])
        kind = "path" if mark in SHORT else "long"
        assert mark in inside(answers[f"{kind}-{mark}"])


def test_none_changes_what_may_be_done(runs):
    hostile_run, harmless = runs
    assert hostile_run.model.offered == harmless.model.offered
    assert (
        len({json.dumps([one.model_dump() for one in of]) for of in hostile_run.model.offered}) == 1
    )
    assert not marks(json.dumps([one.model_dump() for one in hostile_run.model.offered[0]]))
    for run in runs:
        assert run.nets
        assert set(run.nets) == {None}
        assert run.result.status == "done"
        assert len(run.result.findings) == 2


def words(home, sandbox, texts):
    """The verdicts on an honest and a forged finding, with each check, on a narrow table."""
    ref, some = sealed(home, texts, 3), "".join(list(texts.values())[20:50])
    asked = [
        submission(ref, HONEST, prose=some),
        submission(ref, f"# {some!r}\n{FORGED}", subset="u > -9"),
    ]
    turns = [use(tool, arguments, id=f"{n}") for n, (tool, arguments) in enumerate(asked)]
    model = ScriptedModel([*turns, say("Over.")])
    outcome = research(home, "run", make_task("What?", [ref]), model, sandbox, lambda _: None)
    return [
        (verdict.word, [(check.name, check.passed) for check in verdict.checks])
        for _, verdict in outcome.findings
    ]


@pytest.mark.slow
def test_none_changes_a_verdict(sandbox, tmp_path):
    try:
        told = words(home_at(tmp_path / "hostile"), sandbox, TEXTS)
        assert told == words(
            home_at(tmp_path / "harmless"), sandbox, {mark: mark for mark in TEXTS}
        )
    finally:
        apart.close()
    assert [word for word, _ in told] == ["confirmed", "invalid"]


def test_none_raises_a_quota(home, sandbox, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(40)))
    ref = TableRef(
        name="t",
        table=digest(b"t"),
        visible=digest((tmp_path / "t.csv").read_bytes()),
        design="iid",
        rows=40,
        columns=("a", "b"),
    )
    some = list(TEXTS.items())[:MOST_FINDINGS]
    earlier = [hostile(home, mark, text)[0] for mark, text in some]
    task = Task(kind="research", prompt="What?", tables=(ref,))
    author = Author(principal="me", model="scripted")
    submitter = Submitter(task, "r", author, "sealed")
    tool = SubmitFinding(submitter, sandbox, home.blobs, tmp_path, earlier)
    name, asked = submission(ref, HONEST, prose=TEXTS["inj01x"])
    assert name == tool.spec.name
    with pytest.raises(ToolError, match=f"{MOST_FINDINGS} findings are queued"):
        tool.call(asked)


def test_progress_for_a_person_does_nothing_to_the_terminal(home, sandbox):
    ref, lines = sealed(home, TEXTS), []
    calls = tuple(ToolCall(id=mark, name=text) for mark, text in SHORT.items())
    model = ScriptedModel([Message(role="assistant", content="", calls=calls), say("Over.")])
    explore(home, "run", make_task("What?", [ref]), model, sandbox, lines.append)
    assert len(lines) == len(calls)
    assert not [line for line in lines if not line.isprintable()]


# Closed-book, and what a tokenizer makes of it


@pytest.mark.parametrize("mark", SHORT)
def test_closed_book_questions_are_one_line_in_which_all_shows(mark):
    text = SHORT[mark]
    claim = Claim(kind="association", table="t", outcome=text, exposure="x", direction="positive")
    if closed_book.unfit(claim, "plain"):
        pytest.skip("it is too long for a question")
    for put in closed_book.questions(claim, "plain"):
        assert put.text.isprintable()
        assert not CONTROL.search(put.text)


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    """A model whose tokenizer knows the control tokens of several families."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from earnest.models.choose import open_model

    folder = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(open_model("nano").folder, folder)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = re.findall(
        r"\S+",
        "<|im_start|> <|im_end|> <|endoftext|> <|start|> <|end|> <|message|> <|channel|> <|call|> "
        "<|eot_id|> <|start_header_id|> <|end_header_id|> <s> </s> [INST] [/INST] [TOOL_CALLS] "
        "<start_of_turn> <end_of_turn> <\uff5cUser\uff5c> <\uff5cAssistant\uff5c>",
    )
    core.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in special])
    core.add_tokens(["<think>", "</think>", "<tool_call>", "</tool_call>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
        "{% endfor %}<|im_start|>assistant\n"
    )
    tokenizer.save_pretrained(folder)
    return LocalModel(folder)


def control_tokens(model, prompt):
    tokenizer = model._loaded[1]
    known_ = set(tokenizer.added_tokens_decoder) - {tokenizer.unk_token_id}
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return [tokenizer.decode([one]) for one in ids if one in known_]


def test_no_text_becomes_a_control_token(chat):
    ours = ["<|im_start|>", "<|im_end|>", "<|im_start|>"]
    raw = 0
    for text in TEXTS.values():
        said = [{"role": "user", "content": text}]
        assert (
            control_tokens(chat, chat._prompter.text([Message(role="user", content=text)])) == ours
        )
        made = chat._loaded[1].apply_chat_template(said, add_generation_prompt=True, tokenize=False)
        raw += control_tokens(chat, made) != ours
    assert raw >= 10  # the broken case: what a template makes of them by itself


def test_nothing_is_outside_of_the_marks_in_what_stands_inside():
    assert outside("ours\n| theirs") == "ours"
    assert inside("ours\n| theirs") == "| theirs"
