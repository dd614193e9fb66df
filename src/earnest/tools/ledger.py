"""The tools `search_findings` and `get_finding`: what earlier runs found, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from earnest.core.acts import READ, Act
from earnest.core.errors import ToolError
from earnest.core.known import lines
from earnest.core.messages import Observation, ToolSpec
from earnest.core.protocols import Findings
from earnest.core.quoted import json_line
from earnest.tools.arguments import Arguments


class _Search(Arguments):
    words: str = Field(default="", max_length=300, description="Names of columns, or other words.")
    table: str = Field(default="", description="Only of this table, which must be one of yours.")
    offset: int = Field(default=0, ge=0, description="How many to pass over.")


class SearchFindings:
    """Looks findings up in the ledger that is handed in. Changes nothing."""

    repeatable: bool = True
    concurrent: bool = True
    spec: ToolSpec = _Search.spec(
        "search_findings",
        "Search what earlier runs found: JSON, one finding a line, with its verdict and its trust "
        "(`verified`: checked here by somebody else; else rely on nothing). Of your own tables "
        "you are told the verdict's word only.",
    )

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading only. Raises `ToolError`."""
        _Search.read(arguments)
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Search.read(arguments)
        if not asked.words.strip() and not asked.table:
            raise ToolError("nothing to search for", mend="give words, or one of your tables")
        page = self.findings.search(asked.words, table=asked.table, offset=asked.offset)
        return Observation(content=lines(page) or "nothing is known")


class _Get(Arguments):
    finding: str = Field(description="Its id, or the first 8 hex digits of it or more.")


class GetFinding:
    """Gives what may be known of one finding: who claims what, by which script. Changes nothing."""

    repeatable: bool = True
    concurrent: bool = True
    spec: ToolSpec = _Get.spec(
        "get_finding", "Get one finding by its id: claim, verdict, trust, script, as JSON."
    )

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading only. Raises `ToolError`."""
        _Get.read(arguments)
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`."""
        asked = _Get.read(arguments)
        return Observation(content=json_line(dict(self.findings.get(asked.finding))))
