import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline
from PIL import Image
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction.predictor import NonFiniteOutput

INSTRUCTION = "hit the block with the hammer"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def predictor(small):
    return FramePredictor.from_pretrained(small, device="cpu")


def make_image(height=64, width=64, seed=0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))


def reference_latents(folder, image, noise_of, **call):
    """Latents of the stock diffusers pipeline, started from the predictor's noise."""
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(noise_of)
    return pipeline(INSTRUCTION, Image.fromarray(image), generator=generator, output_type="latent", **call).images


def own_latents(folder, image, steps, seed):
    return sample(FramePredictor.from_pretrained(folder, device="cpu"), image, steps, seed)[1]


def sample(predictor, image, steps=1, seed=0):
    """Latents of the current frame, and the sampled ones; `image` has the model's resolution."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        return predictor.sampler.sample(pixels, [INSTRUCTION], steps, seed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_model_whose_numbers_run_away_is_an_error_not_a_still_picture(small, part, value):
    predictor = FramePredictor.from_pretrained(small, device="cpu", engine="fast")
    parameters = dict(getattr(predictor, part).named_parameters())
    name = {"unet": "conv_out.weight", "vae": "mean", "text_encoder": "final_layer_norm.weight"}[part]
    with torch.no_grad():
        next(each for key, each in parameters.items() if key.endswith(name)).flatten()[0] = value
    with pytest.raises(NonFiniteOutput, match="not finite .* in float32"):
        predictor.predict(make_image(), INSTRUCTION)


def test_half_precision_that_overflows_is_an_error_where_single_precision_is_fine(small):
    for dtype in (torch.float32, torch.float16):
        predictor = FramePredictor.from_pretrained(small, device="cpu", dtype=dtype, engine="fast")
        with torch.no_grad():
            predictor.unet.conv_out.weight.mul_(65000)  # float16 ends at 65,504
        if dtype == torch.float32:
            predictor.predict(make_image(), INSTRUCTION)
        else:
            with pytest.raises(NonFiniteOutput, match="not finite .* in float16.* try dtype float32"):
                predictor.predict(make_image(), INSTRUCTION)


def test_one_step_equals_the_stock_pipeline(small):
    image = make_image()
    expected = reference_latents(small, image, noise_of=3, num_inference_steps=1, guidance_scale=1.0)
    torch.testing.assert_close(own_latents(small, image, steps=1, seed=3), expected, atol=1e-5, rtol=1e-5)


def test_one_step_without_noise_equals_the_stock_pipeline_from_zeros(tmp_path):
    image = make_image()
    folder = make_tiny_checkpoint(tmp_path, one_step_noise=False)
    expected = reference_latents(
        folder, image, noise_of=0, num_inference_steps=1, guidance_scale=1.0, latents=torch.zeros(1, 12, 8, 8)
    )
    torch.testing.assert_close(own_latents(folder, image, steps=1, seed=3), expected, atol=1e-5, rtol=1e-5)
    expected = reference_latents(folder, image, noise_of=3, num_inference_steps=2, guidance_scale=1.0)
    torch.testing.assert_close(own_latents(folder, image, steps=2, seed=3), expected, atol=1e-5, rtol=1e-5)


def test_guided_steps_equal_the_stock_pipeline(tmp_path):
    image = make_image()
    folder = make_tiny_full_checkpoint(tmp_path, guidance_scale=4.0, image_guidance_scale=1.5)
    expected = reference_latents(
        folder, image, noise_of=5, num_inference_steps=6, guidance_scale=4.0, image_guidance_scale=1.5
    )
    torch.testing.assert_close(own_latents(folder, image, steps=6, seed=5), expected, atol=1e-4, rtol=1e-4)


def test_ancestral_sampler_equals_the_stock_pipeline(tmp_path):
    """The published pipeline's sampler draws noise at each step and scales its input."""
    image = make_image()
    scheduler = EulerAncestralDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    folder = make_tiny_full_checkpoint(tmp_path, scheduler=scheduler)
    expected = reference_latents(
        folder, image, noise_of=5, num_inference_steps=4, guidance_scale=7.5, image_guidance_scale=1.5
    )
    torch.testing.assert_close(own_latents(folder, image, steps=4, seed=5), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_fast_engine_predicts_what_the_stock_pipeline_does(tmp_path, steps):
    images = [make_image(seed=1), make_image(120, 160, seed=2)]
    instructions = [INSTRUCTION, "stack the black block on the red block"]
    for folder in (
        make_tiny_checkpoint(tmp_path / "small", one_step_noise=False, difference_channels=3),
        make_tiny_full_checkpoint(tmp_path / "full", guidance_scale=4.0, image_guidance_scale=1.5),
    ):
        fast, reference = (FramePredictor.from_pretrained(folder, "cpu", engine=name) for name in ("fast", "diffusers"))
        expected = reference.predict_batch(images, instructions, steps=steps, seed=3)
        for frame, other in zip(fast.predict_batch(images, instructions, steps=steps, seed=3), expected, strict=True):
            assert np.abs(frame.astype(int) - other).max() <= 1


def test_the_stock_pipeline_is_refused_where_it_would_leave_guidance_out(tmp_path):
    folder = make_tiny_full_checkpoint(tmp_path, guidance_scale=1.0, image_guidance_scale=1.5)
    with pytest.raises(ValueError, match="guidance off for the scales 1 and 1.5"):
        FramePredictor.from_pretrained(folder, device="cpu", engine="diffusers")


def test_an_unknown_engine_is_refused(small):
    with pytest.raises(ValueError, match="engine must be one of auto, fast, compile, openvino, diffusers, not 'warp'"):
        FramePredictor.from_pretrained(small, device="cpu", engine="warp")


def test_the_difference_is_added_to_the_current_frame(tmp_path):
    image = make_image()
    predictor = FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path, compositing=None), device="cpu")
    current, change = sample(predictor, image)
    with torch.inference_mode():
        decoded = predictor.vae.decode(current + change).sample[0].permute(1, 2, 0)
    expected = ((decoded + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).numpy()
    assert np.array_equal(predictor.predict(image, INSTRUCTION), expected)


def test_channels_outside_the_difference_are_the_future_frames_own(tmp_path):
    image = make_image()
    folder = make_tiny_checkpoint(tmp_path, compositing=None, difference_channels=3)
    predictor = FramePredictor.from_pretrained(folder, device="cpu")
    current, predicted = sample(predictor, image)
    with torch.inference_mode():
        future = torch.cat([predicted[:, :3] + current[:, :3], predicted[:, 3:]], dim=1)
        decoded = predictor.vae.decode(future).sample[0].permute(1, 2, 0)
    expected = ((decoded + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).numpy()
    assert np.array_equal(predictor.predict(image, INSTRUCTION), expected)


def test_no_predicted_change_in_the_coarse_channels_returns_the_camera_frame(tmp_path):
    still = FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path, difference_channels=3), device="cpu")
    torch.nn.init.zeros_(still.unet.conv_out.weight)
    image = make_image(120, 160)
    assert np.array_equal(still.predict(image, INSTRUCTION), image)


def test_no_predicted_change_returns_the_camera_frame(predictor, small):
    still = FramePredictor.from_pretrained(small, device="cpu")
    torch.nn.init.zeros_(still.unet.conv_out.weight)
    image = make_image(120, 160)
    assert np.array_equal(still.predict(image, INSTRUCTION), image)


@pytest.mark.parametrize("height, width", [(64, 64), (240, 320), (65, 131)])
def test_output_has_the_size_and_type_of_the_input(predictor, height, width):
    image = make_image(height, width)
    for frame in (predictor.predict(image, INSTRUCTION), predictor.reconstruct(image)):
        assert frame.shape == image.shape and frame.dtype == np.uint8


def test_equal_inputs_give_equal_frames_and_the_seed_matters(predictor):
    image = make_image()
    assert np.array_equal(predictor.predict(image, INSTRUCTION), predictor.predict(image, INSTRUCTION, seed=0))
    assert not np.array_equal(predictor.predict(image, INSTRUCTION), predictor.predict(image, INSTRUCTION, seed=1))


def test_a_batch_predicts_what_single_calls_do(predictor):
    images = [make_image(64, 64, 1), make_image(120, 160, 2), make_image(64, 64, 3)]
    instructions = [INSTRUCTION, "stack the black block on the red block", INSTRUCTION]
    batch = predictor.predict_batch(images, instructions, steps=2)
    for frame, image, instruction in zip(batch, images, instructions, strict=True):
        single = predictor.predict(image, instruction, steps=2)
        assert np.abs(frame.astype(int) - single).max() <= 1  # convolutions of other batch sizes round differently
    assert predictor.predict_batch([], []) == []


def test_an_instruction_is_encoded_once_and_old_ones_are_forgotten(small):
    predictor = FramePredictor.from_pretrained(small, device="cpu")
    calls = []
    predictor.text_encoder.register_forward_hook(lambda *arguments: calls.append(1))
    for _ in range(3):
        predictor.predict(make_image(), INSTRUCTION)
    assert len(calls) == 1
    for number in range(70):
        with torch.inference_mode():
            predictor.sampler.embed(f"instruction {number}")
    assert len(predictor.sampler._embeddings) == 64
    predictor.predict(make_image(), INSTRUCTION)
    assert len(calls) == 72


def test_threads_take_turns(predictor):
    images = [make_image(seed=seed) for seed in range(4)]
    expected = [predictor.predict(image, INSTRUCTION, steps=1 + index) for index, image in enumerate(images)]
    results = [None] * 4

    def work(index):
        for _ in range(5):
            results[index] = predictor.predict(images[index], INSTRUCTION, steps=1 + index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, one) for result, one in zip(results, expected, strict=True))


@pytest.mark.parametrize(
    "image, problem",
    [
        (np.zeros((64, 64, 3), np.float32), "uint8, not float32"),
        ([[0]], "uint8, not list"),
        (np.zeros((64, 64), np.uint8), "shape"),
        (np.zeros((64, 64, 4), np.uint8), "shape"),
        (np.zeros((63, 64, 3), np.uint8), "at least 64"),
    ],
)
def test_a_wrong_image_is_refused(predictor, image, problem):
    with pytest.raises(ValueError, match=problem):
        predictor.predict(image, INSTRUCTION)


@pytest.mark.parametrize("instruction", ["", "  \n", None])
def test_an_empty_instruction_is_refused(predictor, instruction):
    with pytest.raises(ValueError, match="instruction"):
        predictor.predict(make_image(), instruction)


@pytest.mark.parametrize("steps", [0, 1001, 2.0, True])
def test_impossible_steps_are_refused(predictor, steps):
    with pytest.raises(ValueError, match="steps must be an integer between 1 and 1000"):
        predictor.predict(make_image(), INSTRUCTION, steps=steps)


def test_a_device_that_is_not_there_is_named(small):
    with pytest.raises(ValueError, match="'warp'"):
        FramePredictor.from_pretrained(small, device="warp")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda'"):
            FramePredictor.from_pretrained(small, device="cuda")


def test_the_checkpoint_says_horizon_and_step_duration(predictor):
    assert (predictor.horizon, predictor.step_duration) == (50, 0.06)


def test_importing_the_package_does_not_import_torch():
    code = "import sys, framepred_ros; assert 'torch' not in sys.modules; framepred_ros.FramePredictor"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_writes_nothing_to_the_terminal(small):
    code = f"import framepred_ros; framepred_ros.FramePredictor.from_pretrained({str(small)!r}, device='cpu')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_waiting_threads_sleep_unless_the_user_says_otherwise():
    code = "import os, framepred_ros; print(os.environ['OMP_WAIT_POLICY'])"
    for setting, expected in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environment |= {"OMP_WAIT_POLICY": setting} if setting else {}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


@pytest.mark.parametrize("damage", [b"", b"not weights at all"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    folder = make_tiny_checkpoint(tmp_path)
    next((folder / "unet").glob("*.safetensors")).write_bytes(damage)
    with pytest.raises(ValueError, match=f"{folder} cannot be loaded as a checkpoint"):
        FramePredictor.from_pretrained(folder, device="cpu")


def test_a_resolution_that_does_not_fit_the_autoencoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"resolution \[60, 64\] .* multiples of the autoencoder's 8"):
        FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path, resolution=(60, 64)), device="cpu")
