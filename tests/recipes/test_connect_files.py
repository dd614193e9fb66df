import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import UsageError
from earnest.recipes.connect_files import HOOK, block, hooks, servers, whole

ENTRY = {"command": "earnest", "args": ["mcp"]}
OURS = {"hooks": [{"type": "command", "command": f"python -I -S /x/{HOOK} --import"}]}
EVENTS = {"Stop": OURS, "SessionEnd": OURS}
LINES = '[mcp_servers.earnest]\ncommand = "earnest"'

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=4)
SERVERS = st.dictionaries(st.text(max_size=5), OBJECTS, max_size=3)
GROUPS = st.lists(OBJECTS, min_size=1, max_size=3)


@given(OBJECTS, SERVERS, st.sampled_from([None, 2, 4, "\t"]))
def test_a_server_comes_and_goes_and_all_else_stays(rest, others, indent):
    found = {**rest, **({"mcpServers": others} if others else {})}
    text = json.dumps(found, indent=indent, ensure_ascii=False)
    put = servers(text, ENTRY, "f")
    assert json.loads(put) == {**rest, "mcpServers": {**others, "earnest": ENTRY}}
    assert list(json.loads(put))[: len(found)] == list(found)
    assert servers(put, ENTRY, "f") == put
    gone = servers(put, None, "f")
    assert (json.loads(gone) if gone else {}) == found
    if indent and found:
        assert gone == text


@given(OBJECTS, st.dictionaries(st.sampled_from(["Stop", "Other"]), GROUPS))
def test_hooks_come_and_go_and_all_else_stays(rest, others):
    found = {**rest, **({"hooks": others} if others else {})}
    text = json.dumps(found, indent=2, ensure_ascii=False)
    put = hooks(text, EVENTS, "f")
    told = json.loads(put)["hooks"]
    assert told["Stop"] == [*others.get("Stop", []), OURS]
    assert told.get("Other", []) == others.get("Other", [])
    assert hooks(put, EVENTS, "f") == put
    gone = hooks(put, None, "f")
    assert (json.loads(gone) if gone else {}) == found


def test_an_earlier_hook_of_ours_makes_room_and_one_beside_another_stays():
    older = {"hooks": [{"type": "command", "command": f"/old/{HOOK}"}]}
    mixed = {"hooks": [*older["hooks"], {"type": "command", "command": "other"}]}
    told = json.loads(hooks(json.dumps({"hooks": {"Stop": [older, mixed]}}), EVENTS, "f"))
    assert told["hooks"]["Stop"] == [mixed, OURS]


def test_a_format_with_a_version_gets_it_and_leaves_nothing_behind():
    put = hooks(None, {"stop": {"command": f"/x/{HOOK}"}}, "f", version=1)
    assert json.loads(put)["version"] == 1
    assert hooks(put, None, "f", version=1) is None


@pytest.mark.parametrize("text", [None, "", "a = 1\n", "a = 1", "[b]\nc = 2\n\n[d]\ne = 3\n"])
def test_a_block_comes_and_goes(text):
    put = block(text, LINES, "f")
    assert tomllib.loads(put)["mcp_servers"]["earnest"] == {"command": "earnest"}
    assert block(put, LINES, "f") == put
    changed = block(put, LINES + '\nargs = ["mcp"]', "f")
    assert tomllib.loads(changed)["mcp_servers"]["earnest"]["args"] == ["mcp"]
    gone = block(put, None, "f")
    assert tomllib.loads(gone or "") == tomllib.loads(text or "")
    assert (gone or "").rstrip("\n") == (text or "").rstrip("\n")


@pytest.mark.parametrize("text", ["{", "[1]", '{"mcpServers": 3}', "// c\n{}"])
def test_a_file_that_can_not_be_read_is_left_alone(text):
    with pytest.raises(UsageError, match="f"):
        servers(text, ENTRY, "f")


@pytest.mark.parametrize("text", ["a =", LINES])
def test_a_toml_file_that_is_not_ours_to_change_is_left_alone(text):
    with pytest.raises(UsageError, match="f"):
        block(text, LINES, "f")


def test_anothers_file_is_neither_overwritten_nor_taken_away():
    assert whole(None, "ours: x", "f", mark="ours:") == "ours: x"
    assert whole("ours: old", "ours: x", "f", mark="ours:") == "ours: x"
    assert whole("ours: x", None, "f", mark="ours:") is None
    assert whole("theirs", None, "f", mark="ours:") == "theirs"
    with pytest.raises(UsageError, match="not ours"):
        whole("theirs", "ours: x", "f", mark="ours:")


def test_half_a_character_that_json_escapes_stays_escaped():
    before = '{"a": "\\ud83d", "b": "\u00e9"}'
    after = servers(before, {"command": "earnest"}, "x.json")
    after.encode("utf-8")
    assert json.loads(after)["a"] == "\ud83d"
    assert json.loads(servers(after, None, "x.json")) == json.loads(before)
