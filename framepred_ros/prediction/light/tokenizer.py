"""Instructions to tokens by `tokenizers`, without transformers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
from tokenizers import Tokenizer


class WordTokenizer:
    """What the runtime needs of a transformers tokenizer.

    Args:
        content: of `tokenizer.json`, whose padding and truncation make all instructions equally long.

    Raises:
        Exception: `tokenizers` cannot read it, or it sets no length.
    """

    def __init__(self, content: str):
        self._padded, self._plain = Tokenizer.from_str(content), Tokenizer.from_str(content)
        self._plain.no_padding()
        self._plain.no_truncation()
        if self._padded.truncation is None:
            raise ValueError("tokenizer.json does not say how long an instruction may be")
        self.model_max_length: int = self._padded.truncation["max_length"]

    def __call__(self, text: str, **_: object) -> SimpleNamespace:
        """All tokens of a text, as `input_ids`, also those that the model will not see."""
        return SimpleNamespace(input_ids=self._plain.encode(text).ids)

    def padded(self, text: str) -> np.ndarray:
        """The text's tokens as the text encoder takes them, int64 (1, model_max_length)."""
        return np.array([self._padded.encode(text).ids], np.int64)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, in which CLIP's mark of a word's end is a space."""
        return self._plain.decode(list(tokens), skip_special_tokens=False).replace("</w>", " ").strip()
