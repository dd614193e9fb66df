"""The rules of the house (AGENTS.md), as tests."""

import ast
import importlib.metadata
import io
import re
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "earnest"
MODULES = sorted(SOURCE.rglob("*.py"))
LAYOUT = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
)


def too_long(text: str, most_lines: int = 400, most_function: int = 50) -> list[str]:
    found = ["module"] if text.count("\n") > most_lines else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and node.end_lineno - body[0].lineno + 1 > most_function:
                found.append(node.name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_and_functions_are_short(path):
    assert too_long(path.read_text()) == []


def test_the_budget_itself_can_fail():
    assert too_long("x = 1\n" * 401) == ["module"]
    assert too_long("def f():\n" + "    x = 1\n" * 51) == ["f"]
    assert too_long("def f():\n" + "    x = 1\n" * 50) == []


def lines_of_code(text: str) -> int:
    """Lines that are neither blank, nor a comment, nor a docstring."""
    kept: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            kept.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            first = node.body[0]
            kept.difference_update(range(first.lineno, first.end_lineno + 1))
    return len(kept)


def test_the_agent_is_small():
    """What a plain run executes of it is in tests/test_reading.py."""
    assert sum(lines_of_code(path.read_text()) for path in (SOURCE / "agent").glob("*.py")) <= 1200


def test_the_count_of_lines_can_fail():
    assert lines_of_code('"""Doc."""\n\n# why\nx = 1\n') == 1
    assert lines_of_code("x = (\n    1,\n)\n") == 3


def test_tests_mirror_the_source():
    for path in (ROOT / "tests").glob("*/test_*.py"):
        assert (SOURCE / path.parent.name).is_dir(), path
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} >= rooms


def test_importing_is_light_and_does_nothing():
    code = (
        "import sys, earnest, earnest.cli; "
        "print([m for m in ('numpy', 'pandas', 'scipy', 'pydantic', 'torch', 'transformers')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for path in SOURCE.glob("*/__init__.py"):
        assert [type(node) for node in ast.parse(path.read_text()).body] == [ast.Expr], path


def test_help_comes_at_once():
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "earnest", "--help"], capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.3


def core_packages() -> set[str]:
    """The distributions that the core install brings along, itself left out."""
    found: set[str] = set()
    queue = ["earnest"]
    while queue:
        for line in importlib.metadata.requires(queue.pop()) or []:
            needed = Requirement(line)
            name = canonicalize_name(needed.name)
            wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if wanted and name not in found:
                found.add(name)
                queue.append(name)
    return found


def test_the_core_install_is_small():
    packages = core_packages()
    assert len(packages) <= 35
    size = sum(
        path.stat().st_size
        for name in packages
        for file in importlib.metadata.files(name) or []
        if (path := Path(file.locate())).is_file()
    )
    assert size <= 300 * 2**20


def test_nothing_names_the_machine_it_was_written_on():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    above = r"(?<![\w*}\]])/"  # a path's first name: /proc has a root of its own
    names = re.compile(above + r"(work|farm|root)/|/home/\w+/|\.\./\.lib" + "rary")
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".sh", ".html", ".json", ".jsonl"}:
            assert not names.search(path.read_text()), name


def test_the_readme_keeps_its_two_commands():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.M)
