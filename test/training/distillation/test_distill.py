"""`python -m training.distill` as a whole, on tiny teachers of both sizes."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from diffusers import DDIMScheduler, LCMScheduler, StableDiffusionInstructPix2PixPipeline
from moving_squares import make_moving_squares
from PIL import Image
from safetensors.torch import load_file
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint
from training_runs import RECIPES, TINY, arguments, assert_same_training, newest_state, run_in_pair, steps_saved

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import read_checkpoint_info
from training.dataset.index import load_split
from training.dataset.stored_pairs import read_frame
from training.distill import main
from training.distillation.teacher import overrides_from
from training.runs.session import load_data, make_learner
from training.train import main as train
from training.trainer.recipe_file import read_recipe
from training.trainer.sampler import Sampler

INSTRUCTION = "push it left"
EPSILON = DDIMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing", clip_sample=False
)
GUIDED = {"steps": 20, "guidance_scale": 3.0, "image_guidance_scale": 1.5, "horizon": 8, "resolution": (64, 96)}
TINY_RUN = [each for each in TINY if not each.startswith(("resolution", "run.compile"))]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"), stride=4)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """A teacher of each size: noise predicted with guidance; v with zero terminal SNR, as a change in some channels."""
    folder = tmp_path_factory.mktemp("teachers")
    small = {"steps": 20, "horizon": 8, "resolution": (64, 96), "difference_channels": 3, "one_step_noise": False}
    return {
        "full": make_tiny_full_checkpoint(folder / "full", scheduler=EPSILON, **GUIDED),
        "small": make_tiny_checkpoint(folder / "small", **small),
    }


def command(dataset, output, teacher, *more) -> list[str]:
    options = [*TINY_RUN, "model.solver_steps=10", "model.steps=2", *more]
    return ["--teacher", str(teacher), *arguments(dataset, output, *options, recipe="distill")]


@pytest.fixture(scope="module")
def students(dataset, teachers, tmp_path_factory):
    """The checkpoint distilled from each teacher."""
    outputs = {size: tmp_path_factory.mktemp(size) for size in teachers}
    for size, output in outputs.items():
        assert main(command(dataset, output, teachers[size])) == 0
    return {size: output / "checkpoint" for size, output in outputs.items()}


@pytest.mark.parametrize("size", ["full", "small"])
def test_the_checkpoint_needs_few_steps_and_no_guidance(students, teachers, size):
    info, teacher = read_checkpoint_info(students[size]), read_checkpoint_info(teachers[size])
    assert (info.steps, info.guidance_scale, info.image_guidance_scale) == (2, 1.0, 1.0) and info.one_step_noise
    for name in ("resolution", "horizon", "prediction_target", "difference_channels", "compositing"):
        assert getattr(info, name) == getattr(teacher, name), name
    assert info.recipe["model"]["weights"] == str(teachers[size])
    card = (students[size] / "README.md").read_text()
    assert f"python -m training.distill --teacher {teachers[size]}" in card and "into 2 sampling steps" in card


@pytest.mark.parametrize("size", ["full", "small"])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_predictor_samples_what_diffusers_does(students, dataset, size, steps):
    image = read_frame(load_split(dataset, "test")[0].input_image)
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(students[size], dtype=torch.float32)
    assert isinstance(pipeline.scheduler, LCMScheduler)
    pipeline.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": steps, "guidance_scale": 1.0, "output_type": "latent"}
    generator = torch.Generator().manual_seed(3)  # draws the noise between the steps, too
    expected = pipeline(INSTRUCTION, Image.fromarray(image), generator=generator, **options).images
    predictor = FramePredictor.from_pretrained(students[size], device="cpu")
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        sampled = predictor.sampler.sample(pixels, [INSTRUCTION], steps, seed=3)[1]
    torch.testing.assert_close(sampled, expected, atol=1e-4, rtol=1e-4)
    assert predictor.predict(image, INSTRUCTION, steps=steps).shape == image.shape


def test_the_teachers_steps_are_those_of_the_stock_pipeline_with_its_guidance(dataset, teachers, tmp_path):
    """Down the whole schedule, on what the caches say of a drawn pair."""
    teacher = teachers["full"]
    settings = overrides_from(str(teacher), read_checkpoint_info(teacher))
    recipe = read_recipe(RECIPES / "distill.yaml", [*settings, *TINY_RUN, "model.solver_steps=10"])
    data = load_data(recipe, dataset)
    learner = make_learner(recipe, data)
    learner.prepare(data.table, tmp_path, Accelerator(cpu=True))
    draw = Sampler(data.table, recipe.data, seed=0).draw(0, 1)
    batch, latents = learner.load(draw), torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(teacher, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        data.table.instructions[draw.instructions[0]],
        Image.fromarray(read_frame(data.table.frames[data.table.current[draw.pairs[0]]])),
        num_inference_steps=10,
        guidance_scale=GUIDED["guidance_scale"],
        image_guidance_scale=GUIDED["image_guidance_scale"],
        latents=latents,
        output_type="latent",
    ).images
    with torch.no_grad():
        for position in range(10, 0, -1):
            positions = torch.tensor([position])
            latents = learner.solver.step(learner._teach(latents, positions, batch), latents, positions)
    torch.testing.assert_close(latents, expected, atol=1e-3, rtol=1e-3)


def test_more_steps_than_were_distilled_are_refused(students, dataset):
    image = read_frame(load_split(dataset, "test")[0].input_image)
    with pytest.raises(ValueError, match="steps must be an integer between 1 and 10, not 11"):
        FramePredictor.from_pretrained(students["small"], device="cpu").predict(image, INSTRUCTION, steps=11)


def test_a_resumed_run_ends_like_an_uninterrupted_one(dataset, teachers, tmp_path):
    """The target network is the average of the weights, and comes back with it."""
    stopped, resumed = ("run.max_minutes=0", "run.log_every=1"), ("--resume", "auto")
    fast = "optimization.learning_rate=1e-2"
    for output, runs in {"once": [()], "twice": [stopped, resumed]}.items():
        for more in runs:
            assert main(command(dataset, tmp_path / output, teachers["full"], fast, *more)) == 0
    once, twice = (load_file(newest_state(tmp_path / output)) for output in ("once", "twice"))
    assert once.keys() == twice.keys() and not any("teacher" in name for name in once)
    assert [name for name in once if not torch.equal(once[name], twice[name])] == []


@pytest.mark.slow
def test_two_processes_distil_as_one_with_twice_the_batch(dataset, teachers, tmp_path):
    """Through `training.train`, which can run the recipe, too, once it is told what the teacher is."""
    more = [f"model.weights={teachers['full']}", "model.solver_steps=10", "resolution=[64, 96]", *TINY_RUN]
    single = arguments(dataset, tmp_path / "one", *more, "optimization.batch_size=4", recipe="distill")
    assert train(single) == 0
    assert run_in_pair(arguments(dataset, tmp_path / "two", *more, recipe="distill")) == [0, 0]
    assert_same_training(tmp_path / "one", tmp_path / "two")


def test_a_dry_run_counts_the_teacher(dataset, teachers, tmp_path, caplog):
    caplog.set_level("INFO")
    assert main([*command(dataset, tmp_path / "run", teachers["full"]), "--dry-run"]) == 0
    assert not (tmp_path / "run").exists()
    assert "0.1 M of 0.2 M parameters are trained" in caplog.text


def test_a_teacher_that_is_fast_already_is_refused_unless_forced(dataset, tmp_path, capsys):
    teacher = make_tiny_checkpoint(tmp_path / "teacher", horizon=8, resolution=(64, 96))
    run = command(dataset, tmp_path / "run", teacher, "optimization.max_steps=1")
    capsys.readouterr()  # progress bars of writing the teacher
    assert main(run) == 1
    message = capsys.readouterr().err
    assert "needs 1 passes through its UNet, and a model of 2 steps would be no faster" in message
    assert "--force" in message
    assert message.count("\n") == 1 and not (tmp_path / "run").exists()
    assert main([*run, "--force"]) == 0
    assert steps_saved(tmp_path / "run") == 1


def test_guidance_that_the_recipe_asks_for_is_worth_distilling(dataset, tmp_path):
    teacher = make_tiny_checkpoint(tmp_path / "teacher", horizon=8, resolution=(64, 96))
    run = command(dataset, tmp_path / "run", teacher, "model.guidance_scale=3.0", "optimization.max_steps=1")
    assert main(run) == 0
    info = read_checkpoint_info(tmp_path / "run" / "checkpoint")
    assert (info.steps, info.guidance_scale, info.image_guidance_scale) == (2, 1.0, 1.0)


@pytest.mark.parametrize(
    "more, problem",
    [
        (["model.solver_steps=30"], "model.solver_steps must divide the teacher's 1000 timesteps"),
        (["model.steps=20"], "steps must be at most solver_steps 10, not 20"),
        (["--teacher", "nowhere"], "no checkpoint folder at nowhere"),
        (["model={kind: small}"], "model.kind must be distilled, not small"),
    ],
)
def test_bad_input_is_one_line(dataset, teachers, tmp_path, capsys, more, problem):
    assert main(command(dataset, tmp_path, teachers["full"], *more)) == 1
    message = capsys.readouterr().err
    assert message.startswith("distill: ") and problem in message and message.count("\n") == 1


def test_a_recipe_without_a_teacher_is_refused(dataset, tmp_path, capsys):
    assert train(arguments(dataset, tmp_path, *TINY_RUN, recipe="distill")) == 1
    assert "model.weights must name the teacher" in capsys.readouterr().err


def test_a_teacher_of_another_horizon_is_refused(dataset, tmp_path, capsys):
    teacher = make_tiny_full_checkpoint(tmp_path / "teacher", **(GUIDED | {"horizon": 50}))
    assert main(command(dataset, tmp_path / "run", teacher)) == 1
    assert "predicts 50 steps ahead, but the dataset's pairs are 8 steps (0.48 s) apart" in capsys.readouterr().err


@pytest.mark.slow
def test_a_distilled_model_predicts_in_a_step_what_its_teacher_samples_in_many(dataset, teachers, tmp_path):
    """From the same noise; a single step of the teacher's own ends elsewhere."""
    more = ["optimization.max_steps=120", "optimization.batch_size=4", "optimization.learning_rate=2e-3"]
    assert main(command(dataset, tmp_path, teachers["small"], *more, "run.log_every=50")) == 0
    teacher, student = (
        FramePredictor.from_pretrained(path, "cpu") for path in (teachers["small"], tmp_path / "checkpoint")
    )
    rows = load_split(dataset, "test")[:4]
    pixels = torch.stack([torch.from_numpy(read_frame(row.input_image)) for row in rows]).permute(0, 3, 1, 2)
    prompts = [row.prompt for row in rows]

    def sample(predictor, steps):
        with torch.inference_mode():
            return predictor.sampler.sample(pixels / 127.5 - 1, prompts, steps, seed=1)[1].numpy()

    many = sample(teacher, 50)
    before, after = (np.abs(sample(predictor, 1) - many).mean() for predictor in (teacher, student))
    assert after < 0.8 * before
