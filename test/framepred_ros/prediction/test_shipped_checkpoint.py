"""The checkpoint and the episodes that ship with the package belong together and are worth shipping."""

import numpy as np
import pytest

from framepred_ros.metrics import psnr, ssim
from framepred_ros.prediction.checkpoint import read_checkpoint_info, shipped_checkpoint
from framepred_ros.prediction.light.form import FOLDER, FormError, digest, read_form
from framepred_ros.prediction.predictor import FramePredictor
from framepred_ros.replay.episode_bag import BagFrame, BagInstruction, EpisodeBag, episodes_by_task

PAIRS = 10  # per task, evenly spread over the held-out episode
TASKS = ["block_hammer_beat", "block_handover", "blocks_stack_easy"]


@pytest.fixture(scope="module")
def shipped():
    return FramePredictor.from_pretrained(shipped_checkpoint(), device="cpu", engine="fast")


def test_it_is_small_and_says_what_it_predicts():
    folder = shipped_checkpoint()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 25e6
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]
    info = read_checkpoint_info(folder)
    assert (info.horizon, info.step_duration) == (50, 0.06)
    assert sorted(info.tasks) == TASKS == sorted(episodes_by_task())
    assert (folder / "README.md").read_text().startswith("---\nlicense: apache-2.0")


def test_its_compiled_form_belongs_to_its_weights():
    folder = shipped_checkpoint()
    remedy = f"make it anew: framepred export {folder} -o {folder}"
    try:
        read_form(folder / FOLDER, digest(folder))
    except FormError as error:
        pytest.fail(f"{error}; {remedy}")


@pytest.mark.parametrize("task", TASKS)
def test_it_beats_copying_on_the_held_out_episode(shipped, task):
    items = list(EpisodeBag(episodes_by_task()[task]).read())
    frames = [item.rgb for item in items if isinstance(item, BagFrame)]
    instruction = next(item.text for item in items if isinstance(item, BagInstruction))
    starts = np.linspace(0, len(frames) - shipped.horizon - 1, PAIRS).astype(int)
    predicted, copied = [], []
    for start in starts:
        truth = frames[start + shipped.horizon]
        prediction = shipped.predict(frames[start], instruction)
        predicted.append((ssim(prediction, truth), psnr(prediction, truth)))
        copied.append((ssim(frames[start], truth), psnr(frames[start], truth)))
    assert (np.mean(predicted, axis=0) > np.mean(copied, axis=0)).all()


def test_diffusers_own_pipeline_opens_it_and_agrees(shipped):
    import torch
    from diffusers import StableDiffusionInstructPix2PixPipeline
    from PIL import Image

    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(
        shipped_checkpoint(), dtype=torch.float32, safety_checker=None
    )
    pipeline.set_progress_bar_config(disable=True)
    frame = next(item for item in EpisodeBag(episodes_by_task()[TASKS[0]]).read() if isinstance(item, BagFrame)).rgb
    with torch.inference_mode():
        pixels = torch.from_numpy(frame).permute(2, 0, 1)[None] / 127.5 - 1
        current, expected = shipped.sampler.sample(pixels, ["hit the block"], steps=1, seed=0)
        start = torch.zeros_like(current)
    latents = pipeline(
        "hit the block",
        image=Image.fromarray(frame),
        num_inference_steps=1,
        guidance_scale=1.0,
        image_guidance_scale=1.0,
        latents=start,
        output_type="latent",
    ).images
    torch.testing.assert_close(latents, expected, atol=1e-3, rtol=1e-3)
