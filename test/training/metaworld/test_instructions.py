"""What is said for Meta-World's tasks."""

from training.metaworld.instructions import DEFAULT_TASKS, SEEN, TASKS, UNSEEN, phrasings


def test_ten_tasks_among_them_pairs_that_only_the_words_and_the_start_tell_apart():
    assert len(DEFAULT_TASKS) == 10 and {"reach", "push", "pick-place"} <= set(DEFAULT_TASKS)
    for thing in ("door", "drawer", "window"):
        assert {f"{thing}-open", f"{thing}-close"} <= set(DEFAULT_TASKS)


def test_every_task_has_several_phrasings_and_some_for_tests_alone():
    assert set(SEEN) == set(UNSEEN) == set(TASKS)
    for task in TASKS:
        lists = phrasings(task)
        assert len(lists["seen"]) >= 4 and len(lists["unseen"]) >= 1


def test_no_phrasing_stands_for_two_tasks_or_is_in_both_lists():
    everything = [text for table in (SEEN, UNSEEN) for texts in table.values() for text in texts]
    assert len({text.lower() for text in everything}) == len(everything)
    assert all(text[0].isupper() and text.endswith(".") for text in everything)
