from __future__ import annotations

import random
from pathlib import Path

import pytest

from earnest.core.canon import digest
from earnest.core.records import TableRef, Task
from earnest.sandbox.image import build_image


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that jails see, for sandboxes that a test opens itself."""
    folder = tmp_path_factory.mktemp("images")
    folder.chmod(0o755)
    return build_image(folder)


@pytest.fixture
def visible(tmp_path: Path) -> Path:
    """A folder with the visible rows of `trees`: heights in two woods, and their ages."""
    rng = random.Random(3)
    rows = ["wood,height,age,name"]
    for number in range(60):
        wood = rng.choice(["oak", "fir"])
        height = rng.gauss(20 if wood == "oak" else 14, 3)
        age = "" if number % 20 == 7 else f"{height * 2 + rng.gauss(0, 4):.1f}"
        rows.append(f"{wood},{height:.2f},{age},tree_{number}")
    folder = tmp_path / "visible"
    folder.mkdir()
    (folder / "trees.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def ref(visible: Path) -> TableRef:
    data = (visible / "trees.csv").read_bytes()
    columns = ("wood", "height", "age", "name")
    return TableRef(
        name="trees",
        table=digest(b"trees"),
        visible=digest(data),
        design="iid",
        rows=60,
        columns=columns,
    )


@pytest.fixture
def task(ref: TableRef) -> Task:
    return Task(kind="research", prompt="What is going on here?", tables=(ref,))
