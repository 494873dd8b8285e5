"""The words measure against predictors whose answer is known: who listens, who does not, who does half."""

from dataclasses import replace

import numpy as np
import pytest
from dataset_files import build
from scene_files import HOME, PUSH_RIGHT, STILL, TASK, TWINS, write_scenes

from training.dataset.index import load_manifest, load_split
from training.dataset.stored_pairs import read_frame
from training.episodes.scene import Scene
from training.evaluation.predictors.autoencoder_ceiling import AutoencoderCeiling
from training.evaluation.predictors.base import Prediction, Predictor
from training.evaluation.predictors.copying import Copying
from training.evaluation.predictors.linear_motion import LinearMotion
from training.evaluation.predictors.retrieval import Retrieval
from training.evaluation.scoring.measure import MeasureOptions
from training.evaluation.words.choices import BRANCH, START, find_choices, look_at_choices
from training.evaluation.words.contrast import contrast, subjects
from training.evaluation.words.measure import score_choices
from training.evaluation.words.summary import hit, summarize_words

HORIZON = 8
SCENES = 8


def make_dataset(folder, twins=TWINS, scenes=SCENES, **options):
    write_scenes(folder / "episodes", scenes, twins, HORIZON + 4, branch_frame=3, **options)
    assert build(folder / "episodes", folder / "dataset", "--test-fraction", "0.75", horizon=HORIZON) == 0
    return folder / "dataset"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("words"), (*TWINS, HOME), held_out=(PUSH_RIGHT,))


@pytest.fixture(scope="module")
def choices(dataset):
    return choices_of(dataset)


def choices_of(dataset, **options):
    return look_at_choices(find_choices(load_manifest(dataset), load_split(dataset, "test")), **options)


def measured(predictor, choices):
    return summarize_words(choices.usable, score_choices(predictor, choices.usable, MeasureOptions()))


class Listener(Predictor):
    """Predicts the truth, which a choice gives with its instruction."""

    def predict(self, pairs):
        return [Prediction(pair.truth) for pair in pairs]


class Contrarian(Predictor):
    """Does what the next instruction says."""

    def __init__(self, choices):
        self.pictures = {}
        for choice in choices.usable:
            truths = [read_frame(future.row.edited_image) for future in choice.futures]
            for future, other in zip(choice.futures, truths[1:] + truths[:1], strict=True):
                for text in future.words.values():
                    self.pictures[choice.query.episode, choice.query.frame, text] = other

    def predict(self, pairs):
        keys = [(pair.row.episode, pair.row.frame, pair.row.prompt) for pair in pairs]
        return [Prediction(self.pictures.get(key, pair.current)) for key, pair in zip(keys, pairs, strict=True)]


class Autoencoder:
    def reconstruct(self, image):
        return image


def test_a_scene_gives_a_choice_at_its_start_and_at_its_branch(choices):
    assert sorted(choice.place for choice in choices.usable) == [BRANCH] * 6 + [START] * 6
    for choice in choices.usable:
        verbs = [future.scene.verb for future in choice.futures]
        if choice.place == START:
            assert verbs == ["push", "push", "lift", "still", "home"]
            assert choice.classes == (0, 1, 2, 3, 3)  # going home looks like staying still
        else:
            assert verbs == ["push", "lift"]
            assert (choice.query.frame, choice.futures[1].row.frame) == (3, 0)
            assert choice.futures[0].row == choice.query
        assert choice.phrasings == ["seen", "unseen"]
        assert all(future.words["unseen"].startswith("now ") for future in choice.futures)


def test_who_listens_is_always_right_and_gains_by_the_words(choices):
    found = measured(Listener(), choices)
    for metric in ("mse", "ssim"):
        everything = found["choice"][metric]
        assert everything["all"]["mean"] == 1
        assert everything["place"]["start"]["chance"] == pytest.approx(1 / 4)
        assert everything["place"]["branch"]["chance"] == pytest.approx(1 / 2)
        assert everything["all"]["chance"] == pytest.approx((1 / 4 + 1 / 2) / 2)
        assert set(everything["verb"]) == {"push", "lift", "still", "home"}
        assert set(everything["colour"]) == {"red", "blue"}
        assert set(everything["side"]) == {"left", "right"}
        assert set(everything["phrasing"]) == {"seen", "unseen"}
        assert set(everything["combination"]) == {"kept back", "trained on"}
    assert {name: each["mean"] for name, each in found["contrast"].items()} == {"verb": 1, "side": 1}
    assert found["gap"]["other"]["all"]["mean"] > 20
    assert found["still"]["start"]["moved"]["mean"] == found["still"]["start"]["truth"]["mean"] == 0
    assert found["still"]["start"]["others"]["mean"] > 0.01


def test_who_listens_and_does_something_else_is_never_right(choices):
    found = measured(Contrarian(choices), choices)
    accuracy = found["choice"]["mse"]
    assert accuracy["place"]["branch"]["mean"] == 0
    # Of five at a start only "still" gets a picture of its class, that of "home": a half of one of four classes.
    assert accuracy["place"]["start"]["mean"] == pytest.approx(1 / 8)
    assert found["gap"]["other"]["all"]["mean"] < 0


@pytest.mark.parametrize("make", ["copying", "linear motion", "retrieval without words", "always the first future"])
def test_who_ignores_words_scores_exactly_chance(dataset, choices, make):
    class First(Predictor):
        def predict(self, pairs):
            return [Prediction(read_frame(pair.row.edited_image)) for pair in pairs]

    predictor = {
        "copying": Copying(),
        "linear motion": LinearMotion(HORIZON, 2),
        "retrieval without words": Retrieval(load_split(dataset, "train"), 1, text_weight=0.0),
        "always the first future": First(),
    }[make]
    found = measured(predictor, choices)
    for metric in ("mse", "ssim"):
        for part in (found["choice"][metric]["all"], *found["choice"][metric]["place"].values()):
            assert part["mean"] == pytest.approx(part["chance"])
    assert all(each["mean"] == pytest.approx(0.5) for each in found["contrast"].values())
    for against in ("none", "nonsense"):
        assert found["gap"][against]["all"]["mean"] == pytest.approx(0)
    assert found["gap"]["other"]["all"]["mean"] == pytest.approx(0)


def test_retrieval_that_reads_the_words_tells_twins_apart_that_it_has_seen(dataset, choices):
    found = measured(Retrieval(load_split(dataset, "test"), 1), choices)
    accuracy = found["choice"]["mse"]["all"]
    assert accuracy["low"] > accuracy["chance"]


def test_a_bound_that_sees_the_truth_has_no_gap_to_no_words(choices):
    found = measured(AutoencoderCeiling(Autoencoder()), choices)
    assert found["choice"]["mse"]["all"]["mean"] == 1
    assert set(found["gap"]) == {"other"}


def test_futures_that_look_the_same_are_no_choice_and_are_counted(tmp_path):
    dataset = make_dataset(tmp_path, (STILL, HOME, STILL), scenes=2)
    found = choices_of(dataset)
    assert not found.usable
    assert found.left_out == {"the futures look the same": 2}


def test_what_has_hardly_begun_cannot_be_told_apart(dataset):
    # A square of 10 x 10 in 64 x 64 pixels that goes either way changes 5 % of the picture.
    few = choices_of(dataset, min_area=0.2)
    assert not few.usable and sum(few.left_out.values()) == 12


def test_episodes_that_start_differently_are_no_twins(dataset):
    found = find_choices(load_manifest(dataset), load_split(dataset, "test"))
    start = next(choice for choice in found if choice.place == START)
    moved = replace(start.futures[1], row=replace(start.futures[1].row, input_image=start.futures[1].row.edited_image))
    broken = replace(start, futures=(start.futures[0], moved))
    assert look_at_choices([broken]).left_out == {"the episodes do not start from the same frame": 1}


def test_all_predictions_of_a_choice_start_from_one_row(choices):
    asked = []

    class Recorder(Predictor):
        def predict(self, pairs):
            asked.extend(pairs)
            return [Prediction(pair.current) for pair in pairs]

    branch = next(choice for choice in choices.usable if choice.place == BRANCH)
    score_choices(Recorder(), [branch], MeasureOptions())
    assert {(pair.row.episode, pair.row.frame, pair.row.input_image) for pair in asked} == {
        (branch.query.episode, 3, branch.query.input_image)
    }
    prompts = [pair.row.prompt for pair in asked]
    assert len(set(prompts)) == len(prompts) == 2 * 2 + 2  # two phrasings of two instructions, none, and nonsense
    assert "" in prompts


def test_ties_give_each_class_its_share():
    same = np.zeros(3)
    assert [hit(same, (0, 1, 2), index) for index in range(3)] == pytest.approx([1 / 3] * 3)
    assert [hit(same, (0, 1, 1), index) for index in range(3)] == pytest.approx([1 / 2] * 3)
    unknown = np.array([np.nan, np.nan])
    assert hit(unknown, (0, 1), 0) == 0.5


def test_the_interval_comes_from_scenes_not_from_items(choices):
    values = score_choices(Copying(), choices.usable, MeasureOptions())
    whole = summarize_words(choices.usable, values)["choice"]["mse"]["all"]
    assert whole["scenes"] == 6 and whole["count"] > 50
    few = [choice for choice in choices.usable if choice.scene == choices.usable[0].scene]
    alone = summarize_words(few, values[: len(few)])["choice"]["mse"]["all"]
    assert (alone["low"], alone["high"], alone["scenes"]) == (None, None, 1)


LEFT_TO_RIGHT = {"from": "left", "to": "right"}


def said(verb, **roles):
    return Scene(0, verb, roles)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (said("push", block="red", side="left"), said("push", block="red", side="right"), "side"),
        (said("push", block="red", side="left"), said("lift", block="blue"), "verb"),
        (said("lift", block="red"), said("lift", block="green"), "colour"),
        (said("stack", top="red", bottom="blue"), said("stack", top="blue", bottom="red"), "order"),
        (said("hand_over", **LEFT_TO_RIGHT), said("hand_over", **{"from": "right", "to": "left"}), "order"),
        (said("push", block="red", side="left"), said("push", block="blue", side="right"), None),
        (said("lift", block="red"), said("lift", block="red"), None),
    ],
)
def test_in_what_two_instructions_differ(one, other, kind):
    assert contrast(one, other) == contrast(other, one) == kind


def test_what_an_instruction_is_about():
    assert subjects(Scene(0, "stack", {"top": "red", "bottom": "blue"})) == {
        "verb": "stack",
        "colour": "red",
        "order": "red on blue",
    }
    assert subjects(Scene(0, "hand_over", {"from": "left", "to": "right"})) == {
        "verb": "hand_over",
        "order": "left to right",
    }
    assert subjects(Scene(0, "push", {"block": "red", "side": "left"})) == {
        "verb": "push",
        "colour": "red",
        "side": "left",
    }


def test_a_dataset_without_scenes_has_no_choices(dataset):
    manifest = load_manifest(dataset)
    plain = replace(manifest, episodes=tuple(replace(record, scene=None) for record in manifest.episodes))
    assert find_choices(plain, load_split(dataset, "test")) == []
    assert TASK in plain.tasks
