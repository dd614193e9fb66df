"""One error type a boundary. Each carries the exit status and, where there is one, the mend."""

from __future__ import annotations


class EarnestError(Exception):
    """Something that a person can act on.

    `mend` is a command or an instruction that would put it right; the command line
    prints it after the message and exits with `exit_status` (DESIGN.md, section 11).
    """

    exit_status = 1

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


class UsageError(EarnestError):
    """What was asked for can't be asked for that way."""

    exit_status = 2


class LackError(EarnestError):
    """The machine lacks something (a package, a sandbox); `mend` is the command that gets it."""

    exit_status = 3


class TableError(UsageError):
    """A file that can't be read as a table, or a table from which nothing can be verified."""


class RecordError(EarnestError):
    """Bytes that are not the record they are said to be."""


class LogError(EarnestError):
    """An event log whose chain does not hold."""


class LedgerError(EarnestError):
    """A ledger that can't be opened, lacks what is asked for, or does not hold together."""


class AbsentError(LedgerError):
    """The ledger has no record, or not exactly one, by the name that was given."""


class SandboxError(EarnestError):
    """The sandbox itself failed: nothing may be concluded about the program it was to run."""


class ChannelClosedError(SandboxError):
    """A job that can't be spoken to any more: it ended, or takes nothing in."""


class ModelError(EarnestError):
    """A model could not be reached or answered outside its protocol."""


class TooLongError(ModelError):
    """A conversation that is longer than the model takes; a shorter one may pass."""


class CaptureError(EarnestError):
    """A transcript that can't be opened, or is no transcript of a format that is read here."""


class ToolError(EarnestError):
    """A tool call that the model got wrong; the message is for the model."""


class ArgumentsError(ToolError):
    """Arguments that are not of the form that the tool takes."""


class UnsupportedError(ToolError):
    """A script's numbers do not support the claim that they were given for."""


class QuotaError(ToolError):
    """A principal has used up what it may ask for, for now; the message says until when."""


class BudgetError(ToolError):
    """A run has used up what it may; the call was not made."""


class PredicateError(UsageError, ValueError):
    """A predicate or a subset outside the small language of `earnest.core.predicates`."""


class ExpressionError(UsageError, ValueError):
    """Outside the small languages of `earnest.core.expressions` and `earnest.core.domains`."""
