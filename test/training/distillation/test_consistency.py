"""The solver against diffusers' DDIMScheduler, the consistency function against its LCMScheduler."""

import pytest
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler

from training.distillation.consistency import ConsistencySolver, build_scheduler, pseudo_huber
from training.small.model import build_scheduler as build_zero_terminal_scheduler

STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
TEACHERS = {
    "epsilon": DDIMScheduler(**STABLE_DIFFUSION, timestep_spacing="trailing", clip_sample=False),
    "v, zero terminal SNR": build_zero_terminal_scheduler(),
}


@pytest.fixture(params=TEACHERS)
def teacher(request):
    return TEACHERS[request.param]


def random(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 3, 4, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [10, 50])
def test_a_step_is_that_of_ddim(teacher, steps):
    solver = ConsistencySolver(build_scheduler(teacher, steps))
    samples, outputs = random(steps, 0), random(steps, 1)
    positions = torch.arange(1, steps + 1)
    stepped = solver.step(outputs, samples, positions)
    teacher.set_timesteps(steps)
    assert solver.timesteps[positions].flip(0).equal(teacher.timesteps)
    for position in positions:
        index = position - 1
        timestep = solver.timesteps[position]
        expected = teacher.step(outputs[index][None], timestep, samples[index][None]).prev_sample
        torch.testing.assert_close(stepped[index][None], expected, atol=1e-4, rtol=1e-4)


def test_noise_is_added_as_the_scheduler_does(teacher):
    solver = ConsistencySolver(build_scheduler(teacher, 20))
    positions = torch.arange(1, 21)
    clean, noise = random(20, 0), random(20, 1)
    expected = teacher.add_noise(clean, noise, solver.timesteps[positions])
    torch.testing.assert_close(solver.add_noise(clean, noise, positions), expected)
    assert solver.add_noise(clean, noise, torch.zeros(20, dtype=torch.int64)).equal(clean)


def test_the_consistency_function_is_the_identity_at_the_clean_sample(teacher):
    solver = ConsistencySolver(build_scheduler(teacher, 50))
    sample, output = random(4, 0), 1e6 * random(4, 1)
    assert solver.consistency(output, sample, torch.zeros(4, dtype=torch.int64)).equal(sample)


def test_the_consistency_function_is_what_the_checkpoints_scheduler_computes(teacher):
    scheduler = build_scheduler(teacher, 50)
    solver = ConsistencySolver(scheduler)
    sample, output = random(1, 0), random(1, 1)
    scheduler.set_timesteps(50)
    for timestep, position in zip(scheduler.timesteps, range(50, 0, -1), strict=True):
        assert solver.timesteps[position] == timestep
        expected = scheduler.step(output, timestep, sample).denoised
        torch.testing.assert_close(solver.consistency(output, sample, torch.tensor([position])), expected)


def test_the_last_timestep_is_where_sampling_starts(teacher):
    scheduler = build_scheduler(teacher, 50)
    for steps in (1, 2, 4):
        scheduler.set_timesteps(steps)
        assert scheduler.timesteps[0] == 999


def test_the_noise_schedule_is_the_teachers(teacher):
    torch.testing.assert_close(build_scheduler(teacher, 50).alphas_cumprod, teacher.alphas_cumprod)


def test_the_published_models_scheduler_can_be_a_teachers():
    scheduler = build_scheduler(EulerAncestralDiscreteScheduler(**STABLE_DIFFUSION), 50)
    assert scheduler.config.prediction_type == "epsilon" and not scheduler.config.rescale_betas_zero_snr
    torch.testing.assert_close(scheduler.alphas_cumprod, TEACHERS["epsilon"].alphas_cumprod)


def test_solver_steps_that_miss_the_last_timestep_are_refused(teacher):
    with pytest.raises(ValueError, match="must divide the teacher's 1000 timesteps; 30 does not"):
        build_scheduler(teacher, 30)


def test_the_loss_is_a_square_near_zero_and_an_absolute_value_beyond():
    ones = torch.ones(3)
    near, far = torch.full((2, 3, 4, 4), 1e-3), torch.full((2, 3, 4, 4), 10.0)
    assert float(pseudo_huber(near, ones, c=1.0)) == pytest.approx(0.5e-6, rel=0.1)
    assert float(pseudo_huber(far, ones, c=0.001)) == pytest.approx(10, rel=1e-3)
    weighted = pseudo_huber(torch.stack([far[:, 0], near[:, 0]], dim=1), torch.tensor([0.0, 2.0]), c=1.0)
    assert float(weighted) == pytest.approx(0.5e-6, rel=0.1)
