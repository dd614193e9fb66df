"""Nano's tokenizer: one token a word of the grammar, so that a name is one token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from earnest.core.wording import WORD

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD: Final = "<pad>"
UNKNOWN: Final = "<unk>"
BEGIN: Final = "<bos>"
USER: Final = "<user>"
ASSISTANT: Final = "<assistant>"
END: Final = "<eos>"
SPECIAL: Final = (PAD, UNKNOWN, BEGIN, USER, ASSISTANT, END)

TEMPLATE: Final = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    f"{ASSISTANT}{{% generation %}}{{{{ message['content'] }}}}{{{{ eos_token }}}}"
    "{% endgeneration %}"
    f"{{% else %}}{USER}{{{{ message['content'] }}}}{{% endif %}}"
    f"{{% endfor %}}{{% if add_generation_prompt %}}{ASSISTANT}{{% endif %}}"
)


def extended(words: Mapping[str, int], new: Iterable[str]) -> dict[str, int]:
    """Return the vocabulary with new words at its end; old words keep their numbers."""
    found = dict(words) or {word: number for number, word in enumerate(SPECIAL)}
    for word in new:
        found.setdefault(word, len(found))
    return found


def tokenizer(words: Mapping[str, int]) -> PreTrainedTokenizerFast:
    """Return a tokenizer with its chat template for a vocabulary that begins with `SPECIAL`."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(WordLevel(dict(words), unk_token=UNKNOWN))
    core.pre_tokenizer = Split(Regex(WORD), behavior="removed", invert=True)
    maker: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerFast = maker(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        padding_side="left",
        model_max_length=256,
    )
    made.chat_template = TEMPLATE
    return made
