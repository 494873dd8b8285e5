from pathlib import Path

import pytest

from training.trainer.models import PretrainedModel, SmallModel
from training.trainer.recipe import Optimization, Recipe, to_dict
from training.trainer.recipe_file import RecipeError, read_recipe, write_recipe

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
INSTRUCT_PIX2PIX = "timbrooks/instruct-pix2pix"
STABLE_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TABLE_2 = {  # weights, resolution, batch, epochs, checkpointing steps, learning rate, warm-up, most samples
    "fine_tuning_1": (INSTRUCT_PIX2PIX, 128, 8, 10, 2000, 5e-6, 100, None),
    "fine_tuning_2": (INSTRUCT_PIX2PIX, 128, 8, 50, 5000, 5e-6, 100, None),
    "training_1": (STABLE_DIFFUSION, 256, 4, 32, 5000, 5e-5, 0, None),
    "training_2": (STABLE_DIFFUSION, 256, 8, 30, 5000, 1e-4, 0, 50000),
}


@pytest.fixture
def recipe_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_survive_a_round_trip(tmp_path, path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    write_recipe(tmp_path / "resolved.yaml", recipe)
    assert read_recipe(tmp_path / "resolved.yaml") == recipe


@pytest.mark.parametrize("name", TABLE_2)
def test_the_papers_recipes_are_its_table_2(name):
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    weights, resolution, batch, epochs, checkpointing, rate, warmup, samples = TABLE_2[name]
    options = recipe.optimization
    assert recipe.model.weights == weights and recipe.resolution == (resolution, resolution)
    assert (options.batch_size, options.gradient_accumulation, options.epochs) == (batch, 4, epochs)
    assert (options.learning_rate, options.warmup_steps) == (rate, warmup)
    assert (recipe.run.save_every, recipe.run.mixed_precision, recipe.seed) == (checkpointing, "fp16", 42)
    assert (recipe.data.max_samples, recipe.validation.image) == (samples, "val_image/0.jpg")
    assert recipe.model.diffusion.prediction_type == "epsilon" and not recipe.model.diffusion.zero_terminal_snr


def test_the_small_recipe_is_the_shipped_checkpoints(recipe_file):
    recipe = read_recipe(RECIPES / "small.yaml")
    assert isinstance(recipe.model, SmallModel) and recipe.optimization.max_steps == 18500


def test_an_empty_recipe_is_the_defaults(recipe_file):
    assert read_recipe(recipe_file("")) == Recipe()


def test_overrides_win_and_reach_nested_keys(recipe_file):
    recipe = read_recipe(
        recipe_file("seed: 1\nmodel: {kind: small, unet: {layers: 2}}"),
        ["seed=3", "model.unet.channels=[32, 64, 96]", "optimization.max_steps=5", "optimization.learning_rate=1e-4"],
    )
    assert (recipe.seed, recipe.model.unet.layers, recipe.model.unet.channels) == (3, 2, (32, 64, 96))
    assert (recipe.optimization.learning_rate, recipe.optimization.max_steps) == (1e-4, 5)


def test_no_need_not_be_quoted(recipe_file):
    assert read_recipe(recipe_file("run: {mixed_precision: no}")).run.mixed_precision == "no"


def test_kind_says_which_model(recipe_file):
    text = "resolution: [64, 72]\nmodel: {kind: pretrained, weights: a/b, lora: {rank: 4}}"
    model = read_recipe(recipe_file(text)).model
    assert isinstance(model, PretrainedModel) and model.weights == "a/b" and model.lora.rank == 4


@pytest.mark.parametrize(
    "text, problem",
    [
        ("sede: 1", "unknown key sede"),
        ("model: {kind: small, unet: {chanels: [32]}}", "unknown key model.unet.chanels"),
        ("model: {kind: small, lora: {rank: 4}}", "unknown key model.lora"),
        ("model: {kind: large}", "model.kind must be one of small, pretrained"),
        ("model: {weights: a/b}", "model.kind must be one of"),
        (
            "model: {kind: pretrained, diffusion: {prediction_type: x}}",
            "prediction_type must be one of epsilon, v_pred",
        ),
        ("model: {kind: pretrained, diffusion: {zero_terminal_snr: true}}", "zero_terminal_snr needs prediction_type"),
        ("model: {kind: pretrained, diffusion: {conditioning_dropout: 0.5}}", "conditioning_dropout must be between"),
        ("resolution: [100, 104]\nmodel: {kind: pretrained}", r"multiples of 8, not \[100, 104\]"),
        ("seed: one", "seed must be int"),
        ("seed: true", "seed must be int"),
        ("optimization: {learning_rate: fast}", "optimization.learning_rate must be float"),
        ("optimization: {learning_rate: 1}", "one of max_steps and epochs must be given"),
        ("optimization: {max_steps: 1, epochs: 1}", "one of max_steps and epochs must be given"),
        ("optimization: {max_steps: 1, schedule: linear}", "schedule must be one of constant, cosine"),
        ("model: {kind: small, unet: 3}", "model.unet must be a section"),
        ("model: {kind: small, unet: {channels: 32}}", "model.unet.channels must be a list"),
        ("model: {kind: small, unet: {channels: [30, 64, 96]}}", "model.unet.channels .* multiples of norm_groups"),
        ("resolution: [100, 320]", r"resolution must be \[height, width\], multiples of 16"),
        ("model: {kind: small, loss: {last_timestep_fraction: 2}}", "model.loss.last_timestep_fraction"),
        ("run: {mixed_precision: fp8}", "run.mixed_precision must be one of no, bf16, fp16"),
        ("run: {save_every: 0}", "run.save_every must be more than 0"),
        ("compositing: {softness: 0}", "compositing.softness must be more than 0"),
        ("a: [", "cannot be read"),
        ("- 1", "the recipe must be a section"),
    ],
)
def test_errors_name_the_file_and_the_key(recipe_file, text, problem):
    path = recipe_file(text)
    with pytest.raises(RecipeError, match=problem) as error:
        read_recipe(path)
    assert str(path) in str(error.value)


def test_yaml_cannot_run_code(recipe_file):
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(recipe_file("seed: !!python/object/apply:os.getcwd []"))


@pytest.mark.parametrize("override", ["seed", "seed.x=1", "seed=["])
def test_a_malformed_override_is_named(recipe_file, override):
    with pytest.raises(RecipeError, match="override"):
        read_recipe(recipe_file("seed: 1"), [override])


def test_length_follows_from_epochs_and_processes():
    options = Optimization(epochs=10, batch_size=8, gradient_accumulation=4)
    assert options.steps(pairs=1000, processes=1) == 313 and options.steps(pairs=1000, processes=2) == 157
    assert Optimization(max_steps=7).steps(pairs=1000, processes=2) == 7


def test_only_how_a_run_is_run_may_change_on_resume():
    free = Recipe().identity()
    assert "run" not in free and not {"max_steps", "epochs"} & free["optimization"].keys()
    assert free["seed"] == to_dict(Recipe())["seed"]
