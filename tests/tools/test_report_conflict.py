"""The tool by which a model says that tests and spec contradict each other."""

import pytest

from earnest.core.errors import ArgumentsError
from earnest.tools.report_conflict import NAME, ReportConflict


def test_a_report_is_taken_down_and_nothing_is_told_of_it():
    tool = ReportConflict()
    assert tool.spec.name == NAME == "report_conflict"
    (act,) = tool.acts({"why": "test_2 adds 4, the spec says 3"})
    assert act.kind == "write"
    seen = tool.call({"why": "test_2 adds 4, the spec says 3"})
    other = tool.call({"why": "they do not conflict at all"})
    assert (seen.failed, seen) == (False, other)


@pytest.mark.parametrize("given", [{}, {"why": ""}, {"why": 3}, {"why": "so", "test": "test_2"}])
def test_a_report_without_a_reason_is_none(given):
    for use in (ReportConflict().acts, ReportConflict().call):
        with pytest.raises(ArgumentsError):
            use(given)
