from __future__ import annotations

import pytest

from earnest.core.canon import digest
from earnest.core.records import TableRef, Task


def made_task() -> Task:
    ref = TableRef(
        name="t",
        table=digest(b"t"),
        visible=digest(b"v"),
        design="iid",
        rows=40,
        columns=("a", "b"),
    )
    return Task(kind="research", prompt="What is going on here?", tables=(ref,))


@pytest.fixture
def task() -> Task:
    return made_task()
