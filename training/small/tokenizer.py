"""A small CLIP tokenizer trained on the instructions at hand."""

import json
from collections.abc import Iterable

from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(instructions: Iterable[str], merges: int = 400, max_length: int = 32) -> CLIPTokenizer:
    """Trains byte-pair merges on the instructions and builds a CLIPTokenizer around them.

    The vocabulary starts with all 256 byte symbols, alone and at a word's end, so that words never seen in training
    are spelled out instead of being dropped as unknown.

    Args:
        instructions: the training instructions.
        merges: most merges to learn.
        max_length: tokens per instruction, start and end included; longer ones are cut.
    """
    # Symbols in the order of CLIP's own vocabulary: bytes, bytes that end a word, merges, start, end.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = alphabet + [symbol + "</w>" for symbol in alphabet]
    template = CLIPTokenizer().backend_tokenizer
    trained = Tokenizer(BPE(end_of_word_suffix="</w>"))
    trained.normalizer, trained.pre_tokenizer = template.normalizer, template.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=len(symbols) + merges,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    trained.train_from_iterator(instructions, trainer)
    pairs = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
    symbols = list(dict.fromkeys(symbols + ["".join(pair) for pair in pairs] + [START, END]))
    vocabulary = {symbol: index for index, symbol in enumerate(symbols)}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=max_length)
