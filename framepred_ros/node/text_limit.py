"""What a text encoder does not get to see of a long instruction."""

from __future__ import annotations

from typing import Any


def cut_off_text(tokenizer: Any, text: str) -> str:
    """Return the end of a text that a tokenizer truncates, as its tokens read; empty if nothing is lost.

    Args:
        tokenizer: a transformers tokenizer that puts one token before and one after the text, as CLIP's does.
    """
    limit = tokenizer.model_max_length
    tokens = tokenizer(text, verbose=False).input_ids
    return tokenizer.decode(tokens[limit - 1 : -1]) if len(tokens) > limit else ""
