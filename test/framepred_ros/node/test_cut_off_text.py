"""What the text encoder cuts off of an instruction, judged by the tokens that it gets."""

import pytest

from framepred_ros.node.prediction_worker import cut_off_text


@pytest.fixture(scope="module")
def tokenizer():
    from tiny_checkpoint import INSTRUCTIONS

    from training.small.tokenizer import train_tokenizer

    return train_tokenizer(INSTRUCTIONS, merges=60)


def test_nothing_is_cut_off_a_short_text(tokenizer):
    assert cut_off_text(tokenizer, "hit the block with the hammer") == ""


def test_the_end_of_a_long_text_is_what_the_truncated_tokens_lack(tokenizer):
    text = " ".join(["pick up the red block with the left arm"] * 20 + ["and stop"])
    lost = cut_off_text(tokenizer, text)
    assert lost.endswith("and stop")
    kept = tokenizer(text, max_length=tokenizer.model_max_length, truncation=True).input_ids
    whole = tokenizer(text).input_ids
    assert tokenizer.decode(kept[:-1], skip_special_tokens=True).strip() + " " + lost.strip() == tokenizer.decode(
        whole, skip_special_tokens=True
    )


def test_any_unicode_of_any_length_is_measured(tokenizer):
    assert cut_off_text(tokenizer, "赤いブロック 🦾 " * 5000)
