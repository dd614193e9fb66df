"""What a verb of the command line gives back."""

from typing import Any

Answer = tuple[int, dict[str, Any], str]
"""The exit status, the document for `--json`, and the words for a person."""
