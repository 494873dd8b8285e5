"""Phrasings: enough of them, two kept for tests, and every one says what it must."""

import re

import pytest

from training.simulation.table.words import SEEN, SEEN_ARM, UNSEEN, UNSEEN_ARM, VERBS, phrasings

ROLES = {
    "beat": {"block": "red"},
    "stack": {"top": "red", "bottom": "blue"},
    "place": {"block": "red", "pad": "green"},
    "hand_over": {"from": "left", "to": "right"},
    "lift": {"block": "red"},
    "push": {"block": "red", "side": "left"},
    "home": {},
    "still": {},
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_six_phrasings_of_which_two_are_for_tests(verb):
    texts = phrasings(verb, ROLES[verb], None, False)
    assert len(texts["unseen"]) == 2 and len(texts["seen"]) >= 4
    assert len({text.lower() for group in texts.values() for text in group}) >= 6
    assert not set(texts["seen"]) & set(texts["unseen"])


@pytest.mark.parametrize("verb", VERBS)
def test_the_words_name_every_role(verb):
    for text in [*SEEN[verb], *UNSEEN[verb], *SEEN_ARM.get(verb, ()), *UNSEEN_ARM.get(verb, ())]:
        named = set(re.findall(r"{(\w+)}", text)) - {"arm"}
        # Who receives says also who gives.
        assert named == set(ROLES[verb]) or (verb == "hand_over" and named == {"to"})


@pytest.mark.parametrize("verb", sorted(SEEN_ARM))
def test_where_the_farther_arm_shall_act_every_phrasing_says_so(verb):
    texts = phrasings(verb, ROLES[verb], "right", name_arm=True)
    assert len(texts["unseen"]) == 2 and len(texts["seen"]) >= 4
    assert all("the right arm" in text for group in texts.values() for text in group)
    both = phrasings(verb, ROLES[verb], "right", name_arm=False)
    assert set(texts["seen"]) < set(both["seen"]) and set(texts["unseen"]) < set(both["unseen"])
