"""The thread that owns the model: it loads it and predicts from the newest frames, beside the ROS executor."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from framepred_ros.node.memory import free_memory
from framepred_ros.node.newest_frames import Batch, Frame, NewestFrames
from framepred_ros.node.statistics import Drop
from framepred_ros.node.unchanged_frames import LastPredictions

if TYPE_CHECKING:
    from framepred_ros.prediction.predictor import FramePredictor

REMEMBERED_INSTRUCTIONS = 64
Job = tuple[Frame, str]  # with its instruction
Prediction = tuple[Frame, np.ndarray]  # made from the frame, or still true of it


@dataclass(frozen=True)
class PredictionSettings:
    """What may change from one prediction to the next: steps and seed as FramePredictor takes them, rate in hertz, and
    the threshold of `LastPredictions` in levels of 255, 0 for a new prediction from every frame."""

    steps: int | None
    seed: int
    max_rate: float
    skip_unchanged: int


class WorkerHost(Protocol):
    """Whom the worker works for; its thread calls all of these."""

    def load_predictor(self) -> FramePredictor:
        """Return the predictor, warmed up; here, so that the import of torch is in the thread, too."""

    def settings(self) -> PredictionSettings:
        """Return the settings of the next prediction."""

    def instruction_for(self, camera: str) -> str:
        """Return the instruction in force for a camera; empty: none."""

    def prediction_made(self, frame: Frame, predicted: np.ndarray) -> None:
        """Take what was predicted from a frame, RGB uint8 of its size."""

    def frame_dropped(self, frame: Frame, reason: Drop, detail: str = "") -> None:
        """Take note that nothing can be predicted from a frame."""


class PredictionWorker:
    """One thread for all of torch's work.

    Attributes:
        frames: where the cameras' frames go; the thread takes them from there.
        loaded: the predictor, or why it could not be loaded.
    """

    def __init__(self, host: WorkerHost, logger: Any) -> None:
        self.frames = NewestFrames()
        self.loaded: Future[FramePredictor] = Future()
        self._host, self._logger = host, logger
        self._last = LastPredictions()
        self._known_instructions: deque[str] = deque(maxlen=REMEMBERED_INSTRUCTIONS)
        self._thread = threading.Thread(target=self._run, name="prediction", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """End the thread and wait for it, at most for the timeout (seconds): torch cannot be interrupted."""
        self.loaded.cancel()
        self.frames.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            predictor = self._host.load_predictor()
        except Exception as error:
            self._logger.debug(traceback.format_exc())
            if self.loaded.set_running_or_notify_cancel():
                self.loaded.set_exception(error)
            return
        if self.loaded.set_running_or_notify_cancel():
            self.loaded.set_result(predictor)
        not_before = 0.0
        while (batch := self.frames.take(not_before)) is not None:
            started = time.monotonic()
            rate = self._host.settings().max_rate
            self._serve(predictor, batch)
            not_before = started + 1 / rate if rate > 0 else 0.0

    def _serve(self, predictor: FramePredictor, batch: Batch) -> None:
        predicted: list[Frame] = []
        try:
            for frame, picture in self._predict(predictor, batch.frames):
                self._host.prediction_made(frame, picture)
                predicted.append(frame)
        except Exception as error:  # whatever it is, the next frame may go well
            self._logger.debug(traceback.format_exc())
            self._logger.error(f"Prediction lost: {type(error).__name__}: {error}", throttle_duration_sec=5.0)
        for request in batch.requests:
            if request.set_running_or_notify_cancel():
                request.set_result(predicted)

    def _predict(self, predictor: FramePredictor, frames: list[Frame]) -> list[Prediction]:
        """Predict in one batch from the frames that show something new; if that fails, from each frame alone.

        That needs less memory, and a frame that the model refuses costs only its own camera a prediction.
        """
        usable = [(frame, instruction) for frame in frames if (instruction := self._instruction(predictor, frame))]
        unchanged, usable = self._look_up(usable)
        return unchanged + (self._predict_anew(predictor, usable) if usable else [])

    def _look_up(self, jobs: list[Job]) -> tuple[list[Prediction], list[Job]]:
        """Return the last predictions for the jobs in which nothing has changed, and the other jobs."""
        settings = self._host.settings()
        if not settings.skip_unchanged:
            return [], jobs
        found, left = [], []
        for frame, instruction in jobs:
            conditions = instruction, settings.steps, settings.seed
            predicted = self._last.find(frame.camera, frame.rgb, conditions, settings.skip_unchanged)
            if predicted is None:
                left.append((frame, instruction))
            else:
                found.append((frame, predicted))
        return found, left

    def _predict_anew(self, predictor: FramePredictor, usable: list[Job]) -> list[Prediction]:
        try:
            return self._run_model(predictor, usable)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        free_memory()  # here, after the exception has let go of the tensors
        self._logger.debug(f"A batch of {len(usable)} failed and is tried again frame by frame: {reason}")
        results = []
        for job in usable:
            try:
                results += self._run_model(predictor, [job])
            except ValueError as error:
                self._host.frame_dropped(job[0], Drop.REFUSED, str(error))
            except Exception as error:
                self._host.frame_dropped(job[0], Drop.FAILED, f"{type(error).__name__}: {error}")
        return results

    def _instruction(self, predictor: FramePredictor, frame: Frame) -> str:
        """Return the frame's instruction, or an empty text, having said why, if nothing can be predicted from it."""
        instruction = self._host.instruction_for(frame.camera)
        if not instruction:
            self._host.frame_dropped(frame, Drop.NO_INSTRUCTION)
            return ""
        try:
            frame.rgb  # noqa: B018  (decodes)
        except Exception as error:
            self._host.frame_dropped(frame, Drop.UNUSABLE, str(error))
            return ""
        if instruction not in self._known_instructions:
            self._known_instructions.append(instruction)
            if lost := cut_off_text(predictor.tokenizer, instruction):
                self._logger.warning(f"The instruction is too long for the model, which does not see: '{lost[:200]}'")
        return instruction

    def _run_model(self, predictor: FramePredictor, jobs: list[Job]) -> list[Prediction]:
        settings = self._host.settings()
        frames, instructions = [frame for frame, _ in jobs], [instruction for _, instruction in jobs]
        images = [frame.rgb for frame in frames]
        predicted = predictor.predict_batch(images, instructions, steps=settings.steps, seed=settings.seed)
        if settings.skip_unchanged:
            for (frame, instruction), picture in zip(jobs, predicted, strict=True):
                self._last.keep(frame.camera, frame.rgb, (instruction, settings.steps, settings.seed), picture)
        return list(zip(frames, predicted, strict=True))


def cut_off_text(tokenizer: Any, text: str) -> str:
    """Return the end of a text that a tokenizer truncates, as its tokens read; empty if nothing is lost.

    Args:
        tokenizer: a transformers tokenizer that puts one token before and one after the text, as CLIP's does.
    """
    limit = tokenizer.model_max_length
    tokens = tokenizer(text, verbose=False).input_ids
    return tokenizer.decode(tokens[limit - 1 : -1]) if len(tokens) > limit else ""
