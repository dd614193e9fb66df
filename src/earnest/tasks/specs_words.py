"""The words of `specs`: a program's intent as a person would say it, in many ways.

Nothing here computes anything; `specs_ops.py` says what the operations do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from earnest.tasks.specs_ops import Kind, Program

WORDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "keep-even": ("keep the even numbers", "keep only numbers that are even",
                  "drop every odd number", "throw out the odd ones"),
    "keep-odd": ("keep the odd numbers", "keep only numbers that are odd",
                 "drop every even number", "throw out the even ones"),
    "keep-above": ("keep the numbers above {k}", "keep what is greater than {k}",
                   "drop all that is {k} or less"),
    "keep-below": ("keep the numbers below {k}", "keep what is smaller than {k}",
                   "drop all that is {k} or more"),
    "add-each": ("add {k} to each", "add {k} to every number", "raise each number by {k}"),
    "times-each": ("multiply each by {k}", "multiply every number by {k}",
                   "take each number {k} times"),
    "square-each": ("square each", "square every number", "multiply each number by itself"),
    "absolute-each": ("take the absolute value of each", "make every number positive or zero",
                      "remove each number's sign"),
    "ascending": ("sort from smallest to largest", "put the numbers in ascending order",
                  "order them upwards"),
    "descending": ("sort from largest to smallest", "put the numbers in descending order",
                   "order them downwards"),
    "reverse": ("reverse the list of numbers", "put the numbers back to front",
                "turn the order of the numbers around"),
    "first-numbers": ("keep the first {k} numbers", "take only the {k} numbers in front"),
    "without-first": ("leave out the first {k} numbers", "drop the {k} numbers in front"),
    "distinct": ("keep the first of equal numbers", "remove repeated numbers, keeping the first",
                 "keep each distinct number once, where it came first"),
    "sum": ("take the sum", "add them all up", "total the numbers"),
    "count-numbers": ("count the numbers", "count how many numbers there are"),
    "largest": ("take the largest number (0 if there is none)",
                "take the maximum, or 0 for an empty list"),
    "smallest": ("take the smallest number (0 if there is none)",
                 "take the minimum, or 0 for an empty list"),
    "add": ("add {k} to it", "increase it by {k}"),
    "times": ("multiply it by {k}", "take it {k} times"),
    "negate": ("negate it", "change its sign"),
    "square": ("square it", "multiply it by itself"),
    "digits": ("list its decimal digits, without the sign",
               "split it into its digits, ignoring the sign"),
    "written": ("write it as a string in decimal", "turn it into its decimal string"),
    "upper": ("make the string upper case", "capitalise every letter of the string"),
    "reverse-text": ("reverse the string", "spell the string backwards"),
    "no-vowels": ("remove the lower-case vowels (a, e, i, o, u)",
                  "delete every a, e, i, o and u in lower case"),
    "first-letters": ("keep the first {k} characters", "cut it after {k} characters"),
    "words": ("split it at each space (an empty string has no parts)",
              "break it into parts at every space; nothing gives no parts"),
    "length": ("take the string's length", "count the characters"),
    "count-vowels": ("count the lower-case vowels (a, e, i, o, u)",
                     "count how often a, e, i, o or u stands there in lower case"),
    "keep-longer": ("keep the strings longer than {k} characters",
                    "drop strings of {k} characters or fewer"),
    "upper-each": ("make each string upper case", "capitalise every letter of every string"),
    "alphabetical": ("sort the strings by character code",
                     "put the strings in order of their character codes"),
    "reverse-texts": ("reverse the list of strings", "put the strings back to front"),
    "lengths": ("take the length of each string", "replace every string by its length"),
    "hyphens": ("join the strings with hyphens", "put the strings together with a hyphen between"),
    "count-strings": ("count the strings", "count how many strings there are"),
    "first-string": ("take the first string (empty if there is none)",
                     "take the string in front, or an empty one"),
}  # fmt: skip
_INPUT: Final[Mapping[Kind, tuple[str, ...]]] = {
    "num": ("an integer", "a whole number"),
    "nums": ("a list of integers", "a list of whole numbers"),
    "text": ("a string", "a piece of text"),
    "texts": ("a list of strings", "several strings in a list"),
}
_FRAMES: Final = (
    "Given {what}: {how}; return the result.",
    "`solve` takes {what}. It must {how}, and return what comes out.",
    "Write `solve`. Its argument is {what}. In this order: {how}. Return that.",
    "From {what}, {how}. The function returns the outcome.",
)
_JOINTS: Final = (", then ", "; then ", ", after that ", "; next, ")


def say(program: Program, rng: random.Random) -> str:
    """Return a program's intent in words, drawn."""
    parts = [
        rng.choice(WORDINGS[step.op]).replace("{k}", str(step.number)) for step in program.steps
    ]
    joint = rng.choice(_JOINTS)
    what = rng.choice(_INPUT[program.takes])
    return rng.choice(_FRAMES).format(what=what, how=joint.join(parts))
