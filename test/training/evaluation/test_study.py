"""Study files: ours are valid, and mistakes are named with their place."""

from pathlib import Path

import pytest
import yaml

from training.evaluation.predictors.specs import CheckpointSpec, CopyingSpec
from training.evaluation.study import read_study

STUDIES = sorted((Path(__file__).parents[3] / "training" / "studies").glob("*.yaml"))
GOOD = {
    "title": "A study",
    "dataset": "data/dataset",
    "featured": "mine",
    "predictors": {"mine": {"kind": "checkpoint", "checkpoint": "shipped"}},
    "curves": [{"title": "Steps", "predictors": ["mine"], "vary": "steps", "values": [1, 2]}],
}


def write(path, values):
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_our_studies_are_valid(path):
    assert read_study(path).predictors["copying"] == CopyingSpec()


def test_defaults_and_replacements(tmp_path):
    study = read_study(write(tmp_path / "study.yaml", GOOD))
    assert list(study.predictors) == ["copying", "mine"]
    assert study.predictors["mine"] == CheckpointSpec("shipped")
    assert (study.split, study.pairs_per_task) == ("test", None)
    study = read_study(tmp_path / "study.yaml", Path("elsewhere"), 7)
    assert (study.dataset, study.pairs_per_task, study.curves[0].pairs_per_task) == (Path("elsewhere"), 7, 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "colour: Unexpected keyword argument"),
        ({"predictors": {"mine": {"kind": "checkpoint", "checkpoint": "x", "step": 1}}}, "mine.checkpoint.step"),
        ({"predictors": {"mine": {"kind": "magic"}}}, "predictors.mine"),
        ({"featured": "yours"}, "no predictor is named yours"),
        ({"pairs_per_task": 0}, "pairs_per_task"),
        ({"table_1": {"Training 3": {"needs": "time"}}}, "table_1 has no row Training 3"),
        ({"table_1": {"Training 2": {}}}, "either predictor or needs"),
        ({"curves": [{"title": "", "predictors": [], "vary": "dataset", "values": [1]}]}, "folders by label"),
    ],
)
def test_mistakes_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_study(write(tmp_path / "study.yaml", GOOD | change))
    assert "study.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.yaml: cannot be read"):
        read_study(tmp_path / "nothing.yaml")
    (tmp_path / "broken.yaml").write_text("title: [")
    with pytest.raises(ValueError, match=r"broken\.yaml: cannot be read"):
        read_study(tmp_path / "broken.yaml")
