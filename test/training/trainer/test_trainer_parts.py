"""Learning rate, memory estimate, and what a state holds."""

from itertools import pairwise

import pytest
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, SequentialLR

from training.trainer.average import WeightAverage
from training.trainer.memory import count_activations
from training.trainer.recipe import Optimization
from training.trainer.state import Training, load_state, save_state, saved_states
from training.trainer.trainer import learning_rate


def test_learning_rate_warms_up_and_decays():
    options = Optimization(max_steps=100, learning_rate=1.0, warmup_steps=10, final_learning_rate_ratio=0.1)
    rates = [learning_rate(step, options, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1.0 and rates[100] == pytest.approx(0.1)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


def test_constant_learning_rate_stays_after_the_warm_up():
    options = Optimization(max_steps=100, learning_rate=1.0, warmup_steps=10, schedule="constant")
    assert [learning_rate(step, options, 100) for step in (4, 10, 99)] == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_schedules_are_torchs(schedule):
    options = Optimization(
        max_steps=60, learning_rate=0.3, warmup_steps=7, schedule=schedule, final_learning_rate_ratio=0.1
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    warm_up = LinearLR(optimizer, start_factor=1 / 7, total_iters=6)
    after = CosineAnnealingLR(optimizer, T_max=53, eta_min=0.03) if schedule == "cosine" else ConstantLR(optimizer, 1.0)
    scheduler = SequentialLR(optimizer, [warm_up, after], milestones=[7])
    for step in range(60):
        assert learning_rate(step, options, 60) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()


def test_activations_are_what_the_backward_pass_needs():
    """A linear layer keeps its input, a ReLU its output: 4 bytes each number, counted once."""
    model = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.ReLU(), torch.nn.Linear(20, 5))
    assert count_activations(model, (torch.zeros(7, 10),), half=False) == 4 * 7 * (10 + 20)
    assert count_activations(model, (torch.zeros(14, 10),), half=False) == 2 * 4 * 7 * (10 + 20)


@pytest.mark.parametrize("foreach", [False, True])
def test_the_average_is_that_of_diffusers(foreach):
    options = {"decay": 0.9, "use_ema_warmup": True, "power": 0.75, "foreach": foreach}
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in [(), (7,), (3, 5)]]
    ours, reference = WeightAverage(weights, **options), EMAModel(weights, **options)
    for _ in range(30):
        for weight in weights:
            weight.data += torch.randn_like(weight)
        ours.step(weights)
        reference.step(weights)
        assert ours.cur_decay_value == reference.cur_decay_value
    assert ours.cur_decay_value == 0.9  # the warm-up is over, so that both were compared
    for average, expected in zip(ours.shadow_params, reference.shadow_params, strict=True):
        torch.testing.assert_close(average, expected)


def make_training(seed: int) -> Training:
    torch.manual_seed(seed)
    accelerator = Accelerator(cpu=True)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    model[0].requires_grad_(False)
    optimizer = torch.optim.AdamW(model[1].parameters())
    model, optimizer = accelerator.prepare(model, optimizer)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**seed)  # as mixed precision on a GPU makes one
    return Training(accelerator, model, optimizer, WeightAverage(model[1].parameters(), foreach=True))


def step(training: Training) -> None:
    training.model(torch.ones(3, 4)).square().sum().backward()
    training.optimizer.optimizer.step()
    training.optimizer.zero_grad()
    training.ema.step(training.model[1].parameters())


def test_a_state_holds_weights_average_optimiser_and_scaler(tmp_path):
    first, second = make_training(3), make_training(5)
    second.model[0].load_state_dict(first.model[0].state_dict())  # frozen: from the weights that training starts from
    for _ in range(2):
        step(first)
    save_state(tmp_path, first, 2, {"seed": 0}, keep=1)
    assert load_state(tmp_path, second, {"seed": 0}) == 2
    assert second.accelerator.scaler.get_scale() == 8
    for _ in range(3):
        step(first), step(second)
    for name in ("weights", "averaged_weights"):
        ours, theirs = (getattr(training, name)() for training in (first, second))
        assert ours.keys() == {"1.weight", "1.bias"}
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_newest_states_are_kept(tmp_path):
    training = make_training(1)
    step(training)
    for number in range(1, 6):
        save_state(tmp_path, training, number, {}, keep=2)
    assert [path.name for path in saved_states(tmp_path)] == ["step_00000005.safetensors", "step_00000004.safetensors"]


def test_averaging_leaves_the_weights_as_they_were(tmp_path):
    training = make_training(1)
    step(training), step(training)
    before = training.weights()
    averaged = training.averaged_weights()
    assert all(torch.equal(before[name], value) for name, value in training.weights().items())
    assert any(not torch.equal(before[name], averaged[name]) for name in before)
