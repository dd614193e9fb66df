"""The records of what becomes of a finding beside its verdict, and of who vouches for it.

`ALL` names every kind of record that a ledger may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from earnest.core.messages import Spent
from earnest.core.records import RECORDS, Hash, Record, Value

Text = Annotated[str, Field(min_length=1, max_length=2000)]
PublicKey = Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Withdrawn = Literal["", "retracted", "reopened"]
MOST_TEXT: Final = 2**18
"""The longest finding or verdict, in characters, that is taken from elsewhere."""
Style = Literal["plain", "grammar"]
Says = Literal["agrees", "opposite", "nothing", "invents"]


class Asked(Value):
    """A closed-book question, the reply without its thoughts, and what we read in it.

    `invents`: the reply asserts something of names that were made up.
    """

    question: str
    answer: Annotated[str, Field(max_length=2000)]
    says: Says


class ClosedBook(Record):
    """What a model answered about a finding's claim with no table and no tool at hand.

    Asked by the run that submitted the finding, and frozen with it. `style`: in plain words, or in
    the grammar of `earnest.core.wording`. `why`: why it was not asked, or not to the end.
    `checkpoint`: the record of the model's folder, where it has one.
    """

    record: ClassVar[str] = "closed-book"
    finding: Hash
    model: str
    checkpoint: Hash | None = None
    style: Style = "plain"
    asked: tuple[Asked, ...] = ()
    why: Annotated[str, Field(max_length=300)] = ""
    usage: Spent = Spent()


class Key(Record):
    """The public key that signs this ledger's verdicts from here on."""

    record: ClassVar[str] = "key"
    public: PublicKey


class Signature(Record):
    """A DSSE envelope about another record of this ledger, by the ledger's key."""

    record: ClassVar[str] = "signature"
    subject: Hash
    envelope: Mapping[str, Any]


class Revision(Record):
    """A later verdict on a finding takes the place of an earlier one, which stays on record.

    `replication`: the claim was tested on other rows, of the `tables` named. `reopened`: it was
    looked at again, `why` says after what.
    """

    record: ClassVar[str] = "revision"
    finding: Hash
    verdict: Hash
    replaces: Hash
    kind: Literal["replication", "reopened"]
    why: Text
    tables: tuple[Hash, ...] = ()


class Retraction(Record):
    """A finding is withdrawn: by whom, and why. Nothing is deleted."""

    record: ClassVar[str] = "retraction"
    finding: Hash
    by: Text
    why: Text


class Import(Record):
    """What another ledger says that it verified: its own bytes, signed by its own key.

    `of`: the finding's id; `finding`, `verdict`: the canonical bytes of these records, as text;
    `source` signed, and is called `name` here. `offer` is its statement about the verdict
    (`urn:earnest:offer:1`): the `manifest` of the rows that the author saw, where its table has
    any; the `position` in its chain up to which it speaks (a later one counts); and whether the
    finding was `withdrawn` since: `retracted`, which is for good, or `reopened`, and `why`.
    It is no finding of this ledger: nothing was tested here.
    """

    record: ClassVar[str] = "import"
    of: Hash
    source: PublicKey
    name: Name
    finding: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]
    verdict: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]
    signature: Mapping[str, Any]
    offer: Mapping[str, Any]
    manifest: Hash | None
    position: Annotated[int, Field(ge=1, lt=2**53, strict=True)]
    withdrawn: Withdrawn = ""
    why: Annotated[str, Field(max_length=5000)] = ""


ALL: Mapping[str, type[Record]] = {
    **RECORDS,
    **{kind.record: kind for kind in (Key, Signature, Revision, Retraction, ClosedBook, Import)},
}
