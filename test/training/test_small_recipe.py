from pathlib import Path

import pytest

from training.small.recipe import Recipe, RecipeError, read_recipe, to_dict, write_recipe

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


@pytest.fixture
def recipe_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", ["small", "smoke"])
def test_shipped_recipes_are_valid_and_survive_a_round_trip(tmp_path, name):
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    assert recipe.name == name
    write_recipe(tmp_path / "resolved.yaml", recipe)
    assert read_recipe(tmp_path / "resolved.yaml") == recipe


def test_an_empty_recipe_is_the_defaults(recipe_file):
    assert read_recipe(recipe_file("")) == Recipe()


def test_overrides_win_and_reach_nested_keys(recipe_file):
    recipe = read_recipe(
        recipe_file("seed: 1\nunet: {layers: 2}"),
        ["seed=3", "unet.channels=[32, 64, 96]", "optimization.learning_rate=1e-4", "run.max_minutes=5"],
    )
    assert (recipe.seed, recipe.unet.layers, recipe.unet.channels) == (3, 2, (32, 64, 96))
    assert (recipe.optimization.learning_rate, recipe.run.max_minutes) == (1e-4, 5.0)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("sede: 1", "unknown key sede"),
        ("unet: {chanels: [32]}", "unknown key unet.chanels"),
        ("seed: one", "seed must be int"),
        ("seed: true", "seed must be int"),
        ("optimization: {learning_rate: fast}", "optimization.learning_rate must be float"),
        ("unet: 3", "unet must be a section"),
        ("unet: {channels: 32}", "unet.channels must be a list"),
        ("unet: {channels: [30, 64, 96]}", "unet.channels .* multiples of norm_groups"),
        ("resolution: [100, 320]", "resolution must be two multiples of autoencoder.patch_size 16"),
        ("loss: {last_timestep_fraction: 2}", "loss.last_timestep_fraction"),
        ("run: {mixed_precision: fp16}", "mixed_precision must be no or bf16"),
        ("compositing: {softness: 0}", "compositing.softness must be more than 0"),
        ("a: [", "cannot be read"),
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


@pytest.mark.parametrize("override", ["seed", "seed.x=1"])
def test_a_malformed_override_is_named(recipe_file, override):
    with pytest.raises(RecipeError, match="override"):
        read_recipe(recipe_file("seed: 1"), [override])


def test_only_how_a_run_is_run_may_change_on_resume():
    free = Recipe().identity()
    assert "run" not in free and "max_steps" not in free["optimization"]
    assert free["seed"] == to_dict(Recipe())["seed"]
