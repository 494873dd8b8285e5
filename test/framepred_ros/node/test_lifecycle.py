"""Every lifecycle transition from every state, asked for over the services."""

import gc
import json
import shutil
import weakref

import pytest
from ros_testing import INSTRUCTION, Camera, make_picture, predictor_node_here

from framepred_ros.node.memory import MEBIBYTE, memory_in_use
from framepred_ros.prediction.checkpoint import shipped_checkpoint

pytestmark = pytest.mark.ros

TRANSITIONS = ("configure", "activate", "deactivate", "cleanup")
PATHS = {"unconfigured": (), "inactive": ("configure",), "active": ("configure", "activate")}
LEGAL = {
    "unconfigured": {"configure": "inactive"},
    "inactive": {"activate": "active", "cleanup": "unconfigured"},
    "active": {"deactivate": "inactive"},
}


@pytest.fixture
def node(tiny_checkpoint):
    with predictor_node_here(checkpoint=tiny_checkpoint, autostart=False, instruction=INSTRUCTION) as node:
        yield node


def walk(tester, path):
    for transition in path:
        assert tester.change_state("predictor", transition)


def test_legal_transitions_lead_on_and_illegal_ones_change_nothing(node, tester):
    for state, path in {**PATHS, "inactive again": ("deactivate",), "unconfigured again": ("cleanup",)}.items():
        walk(tester, path[-1:])
        state = state.removesuffix(" again")
        assert tester.lifecycle_state("predictor") == state
        for transition in set(TRANSITIONS) - set(LEGAL[state]):
            assert not tester.change_state("predictor", transition), f"{transition} from {state}"
            assert tester.lifecycle_state("predictor") == state
    walk(tester, PATHS["active"])
    assert tester.lifecycle_state("predictor") == "active"


@pytest.mark.parametrize("state", PATHS)
def test_shutdown_ends_in_finalized_and_frees_everything(node, tester, state):
    walk(tester, PATHS[state])
    assert tester.change_state("predictor", f"{state}_shutdown")
    assert tester.lifecycle_state("predictor") == "finalized"
    tester.wait_until(lambda: tester.count_publishers("predicted_frame") == 0, "the outputs are gone")
    assert tester.count_subscribers("image") == 0
    for transition in TRANSITIONS:
        assert not tester.change_state("predictor", transition)


def test_cleanup_frees_the_model(node, tester):
    walk(tester, PATHS["inactive"])
    model = weakref.ref(node._pipeline.predictor.unet)
    walk(tester, ("activate", "deactivate"))
    assert model() is not None, "a deactivated node keeps its model"
    node._pipeline.predictor.itself = node._pipeline.predictor  # which leaves it to the garbage collector
    walk(tester, ("cleanup",))
    gc.collect()
    assert model() is None


def test_cleanup_gives_the_memory_of_the_weights_back(node, tester):
    weights = sum(path.stat().st_size for path in shipped_checkpoint().glob("*/*.safetensors"))
    assert tester.set_parameter("predictor", "checkpoint", "").successful
    walk(tester, PATHS["inactive"])
    loaded = memory_in_use("")["memory RSS (MiB)"]
    walk(tester, ("cleanup",))
    assert memory_in_use("")["memory RSS (MiB)"] < loaded - 0.8 * weights / MEBIBYTE


def test_a_deactivated_node_is_silent_and_an_activated_one_predicts_again(node, tester):
    camera = Camera(tester)
    walk(tester, PATHS["active"])
    camera.wait_for_node()
    camera.predict(make_picture())
    walk(tester, ("deactivate",))
    tester.wait_until(lambda: camera.publisher.get_subscription_count() == 0, "an inactive node does not listen")
    count = len(camera.predictions)
    camera.send_picture(make_picture(seed=1))
    walk(tester, ("activate",))
    camera.wait_for_node()
    camera.predict(make_picture(seed=2))
    assert len(camera.predictions) == count + 1


@pytest.mark.parametrize(
    "name, bad, good, reason",
    [
        ("checkpoint", "no/such folder", None, "no/such folder"),
        ("device", "cuda:99", "cpu", "cuda:99"),
        ("monitor_learning", 3, 200, "learning must be at least"),
    ],
)
def test_a_failed_configure_is_explained_and_can_be_repeated(node, tester, tiny_checkpoint, name, bad, good, reason):
    assert tester.set_parameter("predictor", "monitor", True).successful
    assert tester.set_parameter("predictor", name, bad).successful
    for _ in range(2):
        assert not tester.change_state("predictor", "configure")
        assert tester.lifecycle_state("predictor") == "unconfigured"
        assert reason in node._failure and "ros2 lifecycle set /predictor configure" in node._failure
    assert tester.set_parameter("predictor", name, good or str(tiny_checkpoint)).successful
    walk(tester, PATHS["active"])
    assert node._failure == ""


def test_the_end_of_the_process_while_the_model_loads_is_not_called_its_fault(node, tester, capfd):
    node.stop(0)  # what Ctrl-C leads to
    assert not tester.change_state("predictor", "configure")
    assert tester.lifecycle_state("predictor") == "unconfigured"
    assert node._failure == ""
    log = capfd.readouterr().err
    assert "ends before the model is loaded" in log and "cannot be loaded" not in log


def test_more_steps_than_the_checkpoints_schedule_has_are_refused_when_they_are_set(
    node, tester, tiny_checkpoint, tmp_path
):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "short")
    path = folder / "scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_train_timesteps": 40}))
    assert tester.set_parameter("predictor", "checkpoint", str(folder)).successful
    assert tester.set_parameter("predictor", "steps", 41).successful, "nothing is known of the checkpoint yet"
    assert not tester.change_state("predictor", "configure")
    assert "parameter steps: steps must be an integer between 1 and 40, not 41" in node._failure
    assert tester.set_parameter("predictor", "steps", 40).successful
    walk(tester, PATHS["inactive"])
    refused = tester.set_parameter("predictor", "steps", 41)
    assert not refused.successful and "between 1 and 40" in refused.reason
    assert tester.set_parameter("predictor", "steps", 0).successful


def test_a_damaged_checkpoint_is_refused_and_a_whole_one_accepted(node, tester, tiny_checkpoint, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "damaged")
    weights = next(folder.glob("unet/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    assert tester.set_parameter("predictor", "checkpoint", str(folder)).successful
    assert not tester.change_state("predictor", "configure")
    assert str(folder) in node._failure
    assert tester.set_parameter("predictor", "checkpoint", str(tiny_checkpoint)).successful
    walk(tester, PATHS["active"])


def test_what_needs_the_length_of_a_step_says_so_when_nobody_knows_it(node, tester, tmp_path):
    from tiny_checkpoint import make_tiny_checkpoint

    folder = make_tiny_checkpoint(tmp_path / "timeless", step_duration=None)
    assert tester.set_parameter("predictor", "checkpoint", str(folder)).successful
    for name, value, neutral in (("monitor", True, False), ("stamp", "predicted", "source")):
        assert tester.set_parameter("predictor", name, value).successful
        assert not tester.change_state("predictor", "configure")
        assert "set the parameter step_duration" in node._failure
        assert tester.set_parameter("predictor", name, neutral).successful
    walk(tester, PATHS["inactive"])
    refused = tester.set_parameter("predictor", "stamp", "predicted")
    assert not refused.successful and "step_duration" in refused.reason
    walk(tester, ("cleanup",))
    assert tester.set_parameter("predictor", "step_duration", 0.1).successful
    assert tester.set_parameter("predictor", "stamp", "predicted").successful
    walk(tester, PATHS["active"])
