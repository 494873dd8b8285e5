"""A checkpoint folder: diffusers' layout of an InstructPix2Pix pipeline plus `framepred.json`.

`framepred.json` says what the weights predict and how to run them. Published InstructPix2Pix weights have none and
get the published pipeline's settings.
"""

import json
import os
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from framepred_ros.files import write_text
from framepred_ros.prediction.compositing import Compositing

FILE_NAME = "framepred.json"
FORMAT_VERSION = 1
PREDICTION_TARGETS = ("difference", "future")
SHIPPED = "shipped"  # names the checkpoint in the package, in recipes, studies and commands
DEFAULT_HORIZON = 50  # the paper's (section 3.2)


@dataclass(frozen=True)
class CheckpointInfo:
    """What the weights predict and how to run them.

    Attributes:
        resolution: (height, width) in pixels at which the model works.
        horizon: how many frames ahead the prediction is when the caller does not say.
        horizons: the shortest and the longest horizon that the model was trained for; None: `horizon` alone.
        history: how many frames before the current one those lie that the model may also be given, nearest first;
            empty for a model that takes none.
        history_channels: how many leading latent channels of each of them it is given; None is all.
        step_duration: seconds from one frame to the next, or None when unknown.
        steps: sampling steps when the caller does not say.
        one_step_noise: whether a single step starts from noise, as every longer sampling does, or from zeros, the
            noise's mean, for models trained that way.
        prediction_target: "difference": the sampled latents are the change from the current frame's latents, which
            is why a still scene costs nothing; "future": they are the future frame's, as in InstructPix2Pix.
        difference_channels: with "difference", how many leading latent channels are a change; the others are the
            future frame's outright. None is all. For `PatchAutoencoder`, whose leading channels are the coarse ones: a
            fine detail that is not predicted is then missing, where the old one would stay behind as a ghost.
        guidance_scale: weight of the instruction, 1.0 for none (arXiv 2211.09800, section 3.2.1).
        image_guidance_scale: weight of the current frame, 1.0 for none.
        compositing: how the camera's pixels are kept where nothing moves, or None to publish the decoded frame.
        tasks: names of the tasks trained on.
        metrics: results measured after training, by name.
        recipe: the resolved training recipe.
        format_version: version of this file's format.
    """

    resolution: tuple[int, int]
    horizon: int = DEFAULT_HORIZON
    horizons: tuple[int, int] | None = None
    history: tuple[int, ...] = ()
    history_channels: int | None = None
    step_duration: float | None = None
    steps: int = 1
    one_step_noise: bool = True
    prediction_target: str = "future"
    difference_channels: int | None = None
    guidance_scale: float = 1.0
    image_guidance_scale: float = 1.0
    compositing: Compositing | None = None
    tasks: tuple[str, ...] = ()
    metrics: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self):
        problems = [message for valid, message in self._checks() if not valid]
        if problems:
            raise ValueError("; ".join(problems))

    def _checks(self):
        yield (
            self.format_version == FORMAT_VERSION,
            (f"format_version is {self.format_version!r}, this version of framepred_ros reads {FORMAT_VERSION}"),
        )
        yield (
            (
                isinstance(self.resolution, tuple)
                and len(self.resolution) == 2
                and all(_is_number(side, int) and side > 0 for side in self.resolution)
            ),
            f"resolution must be [height, width] in pixels, not {self.resolution!r}",
        )
        for name in ("horizon", "steps"):
            value = getattr(self, name)
            yield _is_number(value, int) and value >= 1, f"{name} must be an integer of at least 1, not {value!r}"
        yield from self._condition_checks()
        duration = self.step_duration
        yield (
            duration is None or (_is_number(duration) and duration > 0),
            (f"step_duration must be null or seconds above 0, not {duration!r}"),
        )
        yield (
            self.prediction_target in PREDICTION_TARGETS,
            (f"prediction_target must be one of {', '.join(PREDICTION_TARGETS)}, not {self.prediction_target!r}"),
        )
        channels = self.difference_channels
        yield (
            channels is None or (_is_number(channels, int) and channels >= 0),
            (f"difference_channels must be null or an integer of at least 0, not {channels!r}"),
        )
        yield (
            isinstance(self.one_step_noise, bool),
            f"one_step_noise must be true or false, not {self.one_step_noise!r}",
        )
        for name in ("guidance_scale", "image_guidance_scale"):
            value = getattr(self, name)
            yield _is_number(value) and value >= 0, f"{name} must be a number of at least 0, not {value!r}"

    def _condition_checks(self):
        ends, steps, channels = self.horizons, self.history, self.history_channels
        pair = ends is None or (_are_counts(ends) and len(ends) == 2 and _is_number(self.horizon, int))
        yield (
            pair and (ends is None or ends[0] <= self.horizon <= ends[1]),
            f"horizons must be null or [shortest, longest] in steps, around horizon {self.horizon!r}, not {ends!r}",
        )
        yield (
            steps == () or (_are_counts(steps) and list(steps) == sorted(set(steps))),
            f"history must be ascending numbers of steps back, not {steps!r}",
        )
        yield (
            channels is None or (_is_number(channels, int) and channels >= 1),
            f"history_channels must be null or an integer of at least 1, not {channels!r}",
        )

    def check_horizon(self, horizon: int) -> None:
        """Raises ValueError unless the model can predict this many steps ahead."""
        shortest, longest = self.horizons or (self.horizon, self.horizon)
        if not _is_number(horizon, int) or not shortest <= horizon <= longest:
            wanted = f"an integer between {shortest} and {longest}" if shortest < longest else f"{shortest}"
            raise ValueError(f"horizon must be {wanted} for this checkpoint, not {horizon!r}")


def starts_from_zeros(info: CheckpointInfo, steps: int) -> bool:
    """Whether sampling starts from zeros instead of noise (`CheckpointInfo.one_step_noise`)."""
    return steps == 1 and not info.one_step_noise


def _are_counts(values) -> bool:
    return isinstance(values, tuple) and all(_is_number(value, int) and value >= 1 for value in values)


def _is_number(value, kind=(int, float)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def read_checkpoint_info(folder: str | os.PathLike) -> CheckpointInfo:
    """Reads `framepred.json` of a checkpoint folder, or derives the settings of published InstructPix2Pix weights.

    Raises:
        ValueError: the file is not valid; the message names the file and the field.
        FileNotFoundError: the folder is not a diffusers checkpoint at all.
    """
    folder = Path(folder)
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(f"{folder} is not a checkpoint folder: it has no model_index.json")
    path = folder / FILE_NAME
    if not path.is_file():
        return _published_info(folder)
    values = _read_json_object(path)
    known = {each.name for each in fields(CheckpointInfo)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{path}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    try:
        if isinstance(values.get("compositing"), dict):
            values["compositing"] = Compositing(**values["compositing"])
        for name in ("resolution", "tasks", "horizons", "history"):
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return CheckpointInfo(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def write_checkpoint_info(folder: str | os.PathLike, info: CheckpointInfo) -> Path:
    """Writes `framepred.json` into a checkpoint folder and returns its path."""
    path = Path(folder) / FILE_NAME
    write_text(path, json.dumps(asdict(info), indent=2) + "\n")
    return path


def resolve_checkpoint(folder_or_id: str | os.PathLike) -> Path:
    """Returns the local folder of a checkpoint, downloading it when the name is a Hugging Face hub id.

    Raises:
        FileNotFoundError: it is neither a folder here nor a hub repository that can be reached.
    """
    folder = Path(folder_or_id)
    if folder.is_dir():
        return folder
    name = str(folder_or_id)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise FileNotFoundError(f"no checkpoint folder at {name}")
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name,
                allow_patterns=["*.json", "*/*.json", "*/*.txt", "*/*.safetensors"],
                ignore_patterns=["safety_checker/*", "*.fp16.*", "*non_ema*"],
            )
        )
    except Exception as error:  # the hub client's errors have no common base beyond Exception
        raise FileNotFoundError(
            f"{name} is neither a folder here nor a model that the Hugging Face hub would give: {error}"
        ) from error


def named_checkpoint(name: str) -> Path:
    """Returns the folder of a checkpoint: `SHIPPED` names the one in the package, else as `resolve_checkpoint`."""
    return shipped_checkpoint() if name == SHIPPED else resolve_checkpoint(name)


def shipped_checkpoint() -> Path:
    """Returns the folder of the checkpoint that ships with the package.

    Raises:
        FileNotFoundError: it is not there; the message says what to do.
    """
    folder = Path(__file__).parents[1] / "checkpoints" / "small"
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(
            f"the shipped checkpoint is missing at {folder}: install the package completely, or name another checkpoint"
        )
    return folder


def _published_info(folder: Path) -> CheckpointInfo:
    """The settings of the published pipeline: 100 steps, scales 7.5 and 1.5, the UNet's own resolution.

    Source: timothybrooks/instruct-pix2pix: edit_cli.py.
    """
    unet = _read_json_object(folder / "unet" / "config.json")
    vae = _read_json_object(folder / "vae" / "config.json")
    side = unet.get("sample_size") or 32
    sides = tuple(side) if isinstance(side, (list, tuple)) else (side, side)
    scale = 2 ** (len(vae.get("block_out_channels", (0,) * 4)) - 1)
    return CheckpointInfo(
        resolution=(sides[0] * scale, sides[1] * scale), steps=100, guidance_scale=7.5, image_guidance_scale=1.5
    )


def _read_json_object(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value
