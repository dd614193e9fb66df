"""A sandbox that counts is otherwise the one that it counts for."""

from __future__ import annotations

from pathlib import Path

import pytest

from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError
from earnest.core.jobs import Job
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.tools.counted import Counted


def test_it_is_what_the_other_is_and_counts_before_it_starts(tmp_path: Path) -> None:
    unsafe = UnsafeLocal(tmp_path)
    counted = Counted(unsafe, Purse(Budget(processes=0)))
    assert not unsafe.lines
    for name in ("name", "isolates", "lines"):
        assert getattr(counted, name) == getattr(unsafe, name)
    for start in (counted.run, counted.open):
        with pytest.raises(BudgetError):
            start(Job(entry=("python", "-c", "")))
