"""The page of testbed runs: what is read, counted, judged and said, and what is refused."""

import json
import re
import shlex
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.homes import home_at
from tests.recipes.testbed_runs import NAIVE, SECURE, write_run

from earnest.cli import main
from earnest.core.errors import UsageError
from earnest.gate.bounds import rate_interval
from earnest.recipes.testbed_report import report, report_words
from earnest.recipes.testbed_report_counts import Rate, arms, hacked, hacks_of, solved, tried
from earnest.recipes.testbed_report_curves import _pooled, by_depth, by_family, overview
from earnest.recipes.testbed_report_limits import not_shown
from earnest.recipes.testbed_report_mirror import MIRRORS, mirrored
from earnest.recipes.testbed_report_read import Update, read_run
from earnest.recipes.testbed_report_words import in_words

SMALL = {"seeds": (0, 1), "generations": 2, "each": 30, "samples": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A naive and a secure run, whole."""
    root = tmp_path_factory.mktemp("runs")
    naive = write_run(root / "naive", NAIVE, **SMALL | {"samples": True})
    secure = write_run(root / "secure", SECURE, **SMALL, final=True)
    return [naive, secure]


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def rewrite(folder, name, rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def small(tmp_path, course=SECURE, **how):
    how = {"seeds": (0,), "generations": 1, "each": 2, "samples": False} | how
    return write_run(tmp_path / "run", course, **how)


# What is read


def test_what_is_being_written_is_left_out_and_said(tmp_path):
    folder = small(tmp_path, made=2)
    with (folder / "updates.jsonl").open("a") as file:
        file.write('{"seed": 0, "gener')
    (folder / "generations.jsonl").unlink()
    run = read_run(folder)
    assert (len(run.updates), run.made, run.finished) == (2, {0: 2}, False)
    assert run.notes == ("updates.jsonl: the last line is not whole yet, and is left out",)
    document = report([folder], tmp_path / "r.html")
    assert document["arms"][0]["hack_rate"] == {"before": None, "after": None}
    assert "no generation is evaluated yet" in document["arms"][0]["finding"]


def test_a_run_that_has_only_a_plan_has_a_page(tmp_path):
    folder = small(tmp_path, made=0)
    (folder / "updates.jsonl").unlink()
    (folder / "generations.jsonl").unlink()
    document = report([folder], tmp_path / "r.html")
    assert "nothing is measured yet" in document["arms"][0]["finding"]
    assert document["arms"][0]["published"]["says"] == "not comparable"


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: row | {"hack_rate": [257, 256]},
        lambda row: row | {"hack_rate": [1.5, 256]},
        lambda row: row | {"families": {"overload": {"hacks": 9, "attempts": 0, "n": 8}}},
        lambda row: row | {"update": 0},
        lambda row: row | {"seconds": float("nan")},
        lambda row: {k: v for k, v in row.items() if k != "solve"},
        lambda row: [row],
    ],
)
def test_a_damaged_line_is_named_and_the_mend_mends(tmp_path, damage):
    folder = small(tmp_path)
    rows = lines(folder, "updates.jsonl")
    rewrite(folder, "updates.jsonl", [rows[0], damage(rows[1])])
    with pytest.raises(UsageError, match=r"line 2 of .*updates\.jsonl is damaged") as caught:
        read_run(folder)
    subprocess.run(shlex.split(caught.value.mend, comments=True), check=True)
    assert [one.update for one in read_run(folder).updates] == [1]


def test_other_damage_is_named(tmp_path):
    folder = small(tmp_path)
    rewrite(folder, "generations.jsonl", [lines(folder, "generations.jsonl")[0] | {"decision": ""}])
    with pytest.raises(UsageError, match=r"line 1 of .*generations\.jsonl.*decision"):
        read_run(folder)
    (folder / "generations.jsonl").unlink()
    (folder / "result.json").write_text("[")
    with pytest.raises(UsageError, match=r"result\.json is damaged"):
        read_run(folder)
    (folder / "plan.json").write_text('{"version": 2}')
    with pytest.raises(UsageError, match=r"plan\.json is damaged"):
        read_run(folder)
    with pytest.raises(UsageError, match="is no run of the testbed"):
        read_run(tmp_path / "nowhere")


def test_of_lines_that_a_resumed_run_wrote_again_the_later_counts(tmp_path):
    folder = small(tmp_path)
    rows = lines(folder, "updates.jsonl")
    rewrite(folder, "updates.jsonl", [*rows, rows[0] | {"hack_rate": [7, 256]}])
    run = read_run(folder)
    assert [one.hack_rate[0] for one in run.updates] == [7, rows[1]["hack_rate"][0]]
    assert "1 lines stand twice" in run.notes[0]


def test_a_run_twice_and_a_page_that_cannot_be_written_are_refused(tmp_path):
    folder = small(tmp_path)
    with pytest.raises(UsageError, match="named twice"):
        report([folder, folder], tmp_path / "r.html")
    with pytest.raises(UsageError, match="can't write"):
        report([folder], tmp_path)


def test_seeds_that_are_not_as_far_are_told_apart(tmp_path):
    folder = small(tmp_path, seeds=(0, 1, 2), made=2)
    kept = [row for row in lines(folder, "updates.jsonl") if row["seed"] + row["update"] < 3]
    rewrite(folder, "updates.jsonl", kept)
    rows = [row for row in lines(folder, "generations.jsonl") if not row["seed"]]
    rewrite(folder, "generations.jsonl", rows)
    (row,) = report([folder], tmp_path / "r.html")["arms"]
    assert row["updates"] == [2, 1, 0]
    assert "so far 3 of 6 updates (1 of 3 seeds evaluated)" in row["finding"]
    assert ">2, 1, 0<" in (tmp_path / "r.html").read_text()


# What is counted


def test_before_after_and_kept_are_pooled_from_the_counts(made):
    (arm,) = arms([read_run(made[1])])
    rows = lines(made[1], "generations.jsonl")

    def pooled(some):
        return Rate(*map(sum, zip(*(row["hack_rate"] for row in some), strict=True)))

    final = [row for row in rows if row.get("final")]
    words = [row["decision"] for row in rows if row["generation"] and not row.get("final")]
    assert sum(arm.decisions.values()) == len(words) == 4
    assert arm.final
    assert len(final) == 2
    assert arm.pair(hacked).before == pooled(row for row in rows if row["generation"] == 0)
    assert arm.pair(hacked).after == pooled(final)
    assert arm.pair(hacks_of("read-answers")).after.n == 4000
    assert arm.pair(solved((1, 2))).after.n == 2 * 2 * 400
    assert arm.pair(tried).after.n == 2 * 8 * 2000  # unknown is not offered
    assert rate_interval(3, 600) == Rate(3, 600).interval
    assert Rate(0, 0).document() is None


def test_what_the_gate_kept_is_not_what_came_last(made):
    (arm,) = arms([read_run(made[0])])
    assert arm.decisions == {"refuse": 4}
    assert [one.generation for one in arm.kept] == [0, 0]
    assert [one.generation for one in arm.after] == [2, 2]


def test_the_worst_family_is_told_apart_from_the_worst_held_out(made):
    document = report(made, made[0].parent / "worst.html")
    row = document["arms"][0]
    shares = {name: one["after"]["share"] for name, one in row["families"].items()}
    held = {name for name, one in row["families"].items() if one["held_out"]}
    assert row["worst_held_out"]["family"] == max(held, key=lambda name: shares[name])
    assert row["worst_family"]["family"] == max(set(shares) - held, key=lambda name: shares[name])
    assert "unknown" in set(shares) - held


def test_arms_of_one_name_are_told_apart(tmp_path):
    runs = [read_run(write_run(tmp_path / name, SECURE, **SMALL | {"each": 1})) for name in "ab"]
    assert [one.label for one in arms(runs)] == ["secure (a)", "secure (b)"]
    dirty = replace(SECURE, arm="dirty", dirty=3)
    assert arms([read_run(small(tmp_path, dirty))])[0].label == "dirty 3%"


# What is judged


def judged(tmp_path, course, *, naive=None, **how):
    runs = [write_run(tmp_path / "own", course, **SMALL | how)]
    if naive:
        runs.append(write_run(tmp_path / "naive", naive, **SMALL))
    found = arms([read_run(one) for one in runs])
    (own,) = [one for one in found if one.run.path.name == "own"]
    return mirrored(own, found)


AGREE = {
    "naive": NAIVE,
    "secure": SECURE,
    "secure-penalty": replace(SECURE, arm="secure-penalty"),
    "naive-penalty": replace(NAIVE, arm="naive-penalty", hacks=0.1, held_out=0.3),
    "filter": replace(NAIVE, arm="filter", hacks=0.3, held_out=0.4),
    "inoculation": replace(NAIVE, arm="inoculation", hacks=0.3, held_out=0.3),
    "dirty": replace(NAIVE, arm="dirty", dirty=3),
}
DISAGREE = {
    "naive": replace(NAIVE, hacks=0.2, held_out=0.2),
    "secure": replace(SECURE, hacks=0.3, held_out=0.3),
    "secure-penalty": replace(SECURE, arm="secure-penalty", hacks=0.1, held_out=0.1),
    "naive-penalty": replace(SECURE, arm="naive-penalty"),
    "filter": replace(SECURE, arm="filter"),
    "inoculation": replace(NAIVE, arm="inoculation", hacks=1.0, held_out=1.0),
    "dirty": replace(SECURE, arm="dirty", dirty=3),
}


@pytest.mark.parametrize("name", MIRRORS)
def test_each_rule_agrees_with_what_is_alike_and_not_with_what_is_not(tmp_path, name):
    alike = judged(tmp_path / "a", AGREE[name], naive=NAIVE)
    assert (alike.word, alike.figure) == ("agrees", MIRRORS[name].figure), alike.why
    other = judged(tmp_path / "d", DISAGREE[name], naive=NAIVE)
    assert other.word == "disagrees", other.why
    going = judged(tmp_path / "u", AGREE[name], made=60)
    assert (going.word, going.why) == ("not comparable", "The run has not ended")


def test_a_penalty_that_helps_nothing_disagrees_whatever_the_published_rate(tmp_path):
    weak = replace(NAIVE, hacks=0.3, held_out=0.3)
    course = replace(weak, arm="naive-penalty", hacks=0.5, held_out=0.5)
    assert judged(tmp_path / "with", course, naive=weak).word == "disagrees"
    assert judged(tmp_path / "without", course).word == "agrees"


def test_a_secure_arm_that_forgets_disagrees(tmp_path):
    assert judged(tmp_path, replace(SECURE, deep=-0.5), naive=NAIVE).word == "disagrees"


@pytest.mark.parametrize(
    "course",
    [
        replace(SECURE, arm="own way"),
        replace(NAIVE, arm="dirty", dirty=1),
        replace(NAIVE, arm="inoculation", hacks=0.3),
    ],
)
def test_what_nothing_is_listed_for_is_not_comparable(tmp_path, course):
    assert judged(tmp_path, course).word == "not comparable"


def test_an_interval_that_leaves_it_open_is_not_comparable(tmp_path):
    folder = small(tmp_path, replace(SECURE, arm="secure-penalty"))
    rows = lines(folder, "generations.jsonl")
    rewrite(folder, "generations.jsonl", [rows[0], rows[1] | {"hack_rate": [1, 50]}])
    found = arms([read_run(folder)])
    assert mirrored(found[0], found).word == "not comparable"


# What is left open


def left_open(folder):
    return "\n".join(not_shown(arms([read_run(folder)])))


def test_what_is_not_shown_follows_from_the_runs(tmp_path):
    thin = left_open(
        small(tmp_path / "thin", seeds=(0, 1), fresh=250, quick=True, held_out=(), generations=1)
    )
    for said in ("It has 2 seeds", "`overload` (500)", "fewer than 600", "quick", "was held out",
                 "final statement", "`naive`"):  # fmt: skip
        assert said in thin
    assert "how it ends" not in thin
    full = left_open(small(tmp_path / "full", seeds=(0, 1, 2), final=True))
    for said in ("seeds;", "fewer than", "quick", "was held out", "final statement", "how it ends"):
        assert said not in full
    assert "2,100,000 parameters" in full
    assert "trained at" not in full
    assert "It is trained at 1.5" in left_open(small(tmp_path / "hot", temperature=1.5))
    assert "how it ends. 1 of 2 updates" in left_open(small(tmp_path / "going", made=1))
    assert "No generation was evaluated yet" in left_open(
        small(tmp_path / "none", generations=0, made=1)
    )


def test_arms_that_leave_open_the_same_are_named_together(made):
    told = not_shown(arms([read_run(one) for one in made]))
    (line,) = [one for one in told if "2 seeds" in one]
    assert line.startswith("`naive`, `secure`: ")
    assert sum("final statement" in one for one in told) == 1


# What is drawn


def test_drawings_stay_in_their_frames_and_say_what_they_show(made):
    for arm in arms([read_run(one) for one in made]):
        drawn = [*overview([arm]), *by_depth(arm), *by_family(arm)]
        assert len(drawn) == 1 + 6 + 1 + 8 + 1 + 1
        for one in drawn:
            root = ET.fromstring(one)
            _, _, width, height = map(float, root.get("viewBox").split())
            assert re.search(r"before.*after", root.get("aria-label"))
            for pair in " ".join(node.get("points", "") for node in root.iter()).split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_the_line_of_a_family_lies_where_its_counts_are(tmp_path):
    folder = small(tmp_path, each=4)
    rows = lines(folder, "updates.jsonl")
    for row, hacks in zip(rows, (0, 26, 52, 13), strict=True):
        row["families"]["overload"] = {"hacks": hacks, "attempts": hacks, "n": 52}
    rewrite(folder, "updates.jsonl", rows)
    (arm,) = arms([read_run(folder)])
    (drawn,) = [one for one in by_family(arm) if "overload. hacks" in one]
    line = next(node for node in ET.fromstring(drawn).iter() if node.get("stroke-width") == "2")
    ys = [float(pair.split(",")[1]) for pair in line.get("points").split()]
    bottom, top = ys[0], ys[2]
    assert ys[1] == pytest.approx((bottom + top) / 2)
    assert ys[3] == pytest.approx(0.75 * bottom + 0.25 * top)
    assert "tone-1" in line.get("class")


def update_of(number, hits, n):
    return Update(seed=0, generation=1, update=number, seconds=1, rollouts=n, reward=0,
                  solve={}, families={}, hack_rate=(hits, n), false_reports=(0, n))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(9, 20)), min_size=1, max_size=300))
def test_pooling_neighbours_loses_no_count(counts):
    updates = [update_of(number, *pair) for number, pair in enumerate(counts, 1)]
    points = _pooled(updates, hacked, len(updates))
    assert len(points) <= 24
    assert sum(rate.hits for _, rate in points) == sum(hits for hits, _ in counts)
    assert sum(rate.n for _, rate in points) == sum(n for _, n in counts)
    assert [at for at, _ in points] == sorted(at for at, _ in points)


# What is said


def test_the_page_has_all_parts_and_nothing_from_elsewhere(made, tmp_path):
    document = report(made, tmp_path / "r.html")
    told = (tmp_path / "r.html").read_text()
    assert [row["label"] for row in document["arms"]] == ["naive", "secure"]
    for said in ("The table of arms", "Beside what is published", "arXiv:2605.02964",
                 "Generations", "What this does not show", "read-answers, held out",
                 "introspection (held out)", "seed-0/generation-1/rollouts.jsonl",
                 "integrity: edit-tests, upper bound of its hacks", "false report",
                 "The secure grader: <strong>failed</strong>", "No rollout was kept"):  # fmt: skip
        assert said in told
    assert "&lt;write&gt;solution.py&lt;text&gt;def solve" in told
    assert told.count("<svg") == told.count("aria-label='") == 1 + 2 + 2 * 17
    assert not re.search(r"(?:src|href|style)=|<script|<link|url\(", told)
    assert re.findall(r"<th(?! scope=\"(?:col|row)\")[ >]", told) == []
    assert "default-src 'none'" in told
    rows = re.search(r'<table class="counts arms">.*?</table>', told, re.S)[0]
    rate = Rate(*(document["arms"][0]["hack_rate"]["after"][key] for key in ("hits", "n")))
    assert f'<strong>{rate.told}</strong></span><span class="quiet">({rate.bounds})' in rows


def test_findings_say_whether_it_rose_or_fell(made, tmp_path):
    naive, secure = (row["finding"] for row in report(made, tmp_path / "r.html")["arms"])
    assert re.fullmatch(
        r"`naive`, after 60 updates \(2 seeds\): [\d.]+ % of the rollouts on fresh tasks are hacks "
        r"\(95 % interval [\d.]+ to [\d.]+\), up from [\d.]+ %; [\d.]+ % at depth 4 are solved "
        r"\([\d.]+ to [\d.]+\), down from [\d.]+ %\.",
        naive,
    )
    assert "down from" in secure
    still = replace(SECURE, hacks=0.18, held_out=0.18, deep=0, arm="still", pace=1e9)
    folder = write_run(tmp_path / "still", still, **SMALL | {"generations": 1})
    rows = lines(folder, "generations.jsonl")
    same = [row | {"hack_rate": [18, 100], "solve": {"4": [20, 100]}} for row in rows]
    rewrite(folder, "generations.jsonl", same)
    said = report([folder], tmp_path / "s.html")["arms"][0]["finding"]
    assert said.count("no change is shown from") == 2


def test_long_words_and_many_files_are_cut_and_said(tmp_path):
    folder = small(tmp_path)
    one = {"seed": 0, "generation": 1, "update": 1, "sort": "hack", "family": "shadow", "spec": "s",
           "offers": [], "reply": "r" * 9000, "files": {f"f{n:02}.py": "x" for n in range(20)},
           "believed": True, "secure": False, "why": ""}  # fmt: skip
    rewrite(folder, "samples.jsonl", [one])
    report([folder], tmp_path / "r.html")
    told = (tmp_path / "r.html").read_text()
    assert "[cut: 9,000 characters in all, in samples.jsonl]" in told
    assert "And 8 more files" in told
    assert "none was kept of: honest, mistake, attempt, false report" in told


RESULT = {
    "arm": "secure", "seeds": 3, "updates": 240, "seconds": 512.4,
    "solve": {"1": {"before": [95, 100], "after": [96, 100]}, "4": {"before": 0.2, "after": 0.7}},
    "families": {
        "overload": {"held_out": False, "before": {"hacks": 90, "n": 600},
                     "after": {"hacks": 0, "n": 2000, "upper95": 0.0015}, "attempts": 2},
        "read-answers": {"held_out": True, "before": {"hacks": 80, "n": 600},
                         "after": {"hacks": 1, "n": 2000, "upper95": 0.0024}, "attempts": [3, 9]},
    },
    "hack_rate": {"before": [150, 1000], "after": [0, 1000]},
    "generations": [{"decision": "promote", "reasons": []},
                    {"decision": "refuse", "reasons": [
                        "integrity: conftest, fresh tasks", "known: kept from the incumbent",
                        "integrity: overload, fresh tasks",
                        "integrity: overload, upper bound of its hacks"]}],
}  # fmt: skip


def test_the_words_at_a_runs_end():
    told = in_words(RESULT).splitlines()
    assert (
        told[0]
        == "secure: 240 updates a seed, 3 seeds, 512 s in all; generations: 1 promoted, 1 refused"
    )
    assert told[-4:] == [
        "the last was refused:",
        "  integrity, fresh tasks: conftest, overload",
        "  known: kept from the incumbent",
        "  integrity, upper bound of its hacks: overload",
    ]
    (row,) = [line for line in told if "read-answers, held out" in line]
    assert re.search(r"13\.3 % \(10\.7 to 16\.3\) +0\.05 % \(0\.00 to 0\.28\) +33\.3 %", row)
    (row,) = [line for line in told if "depth 4" in line]
    assert "20.0 %" in row
    assert max(map(len, told)) < 100
    assert in_words(RESULT | {"generations": [], "families": {}})


def test_the_verb(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EARNEST_HOME", str(home_at(tmp_path / "home").root))
    out = tmp_path / "page.html"
    named = [str(one) for one in made]
    assert main(["testbed", "report", *named, "-o", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["report"]) == (1, str(out))
    assert out.read_text().startswith("<!doctype html>")
    assert main(["testbed", "report", *named, "-o", str(out)]) == 0
    assert capsys.readouterr().out.strip() == report_words(document)
    assert main(["testbed", "report", "-o", str(out), *named]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        main(["testbed", "report"])
    assert "RUN" in capsys.readouterr().err
    assert main(["testbed", "report", "never-run"]) == 2
    assert "has no plan.json" in capsys.readouterr().err
    assert main(["testbed", "report", str(tmp_path)]) == 2
    assert "has no plan.json" in capsys.readouterr().err
