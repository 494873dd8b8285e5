"""The thread that owns the model: it loads it and predicts from the newest frames, beside the ROS executor."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from framepred_ros.node.memory import free_memory
from framepred_ros.node.newest_frames import Batch, Frame, NewestFrames
from framepred_ros.node.settings import PredictionSettings
from framepred_ros.node.statistics import Drop
from framepred_ros.node.unchanged_frames import LastPredictions

if TYPE_CHECKING:
    from framepred_ros.prediction.predictor import FramePredictor

REMEMBERED_INSTRUCTIONS = 64
Job = tuple[Frame, str]  # with its instruction
Prediction = tuple[Frame, np.ndarray]  # made from the frame, or still true of it


class PredictionWorker:
    """One thread for all of torch's work. What becomes of a frame it tells the frame's owner.

    Args:
        load: returns the predictor, warmed up; called in the thread, so that torch is imported there, too.
        settings: returns the settings that hold now; read once per batch.
        logger: the node's.

    Attributes:
        frames: where the cameras' frames go; the thread takes them from there.
        loaded: the predictor, or why it could not be loaded.
    """

    def __init__(
        self, load: Callable[[], FramePredictor], settings: Callable[[], PredictionSettings], logger: Any
    ) -> None:
        self.frames = NewestFrames()
        self.loaded: Future[FramePredictor] = Future()
        self._load, self._settings, self._logger = load, settings, logger
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
            predictor = self._load()
        except Exception as error:
            self._logger.debug(traceback.format_exc())
            if self.loaded.set_running_or_notify_cancel():
                self.loaded.set_exception(error)
            return
        if self.loaded.set_running_or_notify_cancel():
            self.loaded.set_result(predictor)
        not_before = 0.0
        while (batch := self.frames.take(not_before)) is not None:
            started, settings = time.monotonic(), self._settings()
            self._serve(predictor, batch, settings)
            not_before = started + 1 / settings.max_rate if settings.max_rate > 0 else 0.0

    def _serve(self, predictor: FramePredictor, batch: Batch, settings: PredictionSettings) -> None:
        predicted: list[Frame] = []
        try:
            for frame, picture in self._predict(predictor, batch.frames, settings):
                frame.owner.publish(frame, picture, settings)
                predicted.append(frame)
        except Exception as error:  # whatever it is, the next frame may go well
            self._logger.debug(traceback.format_exc())
            self._logger.error(f"Prediction lost: {type(error).__name__}: {error}", throttle_duration_sec=5.0)
        for request in batch.requests:
            if request.set_running_or_notify_cancel():
                request.set_result(predicted)

    def _predict(
        self, predictor: FramePredictor, frames: list[Frame], settings: PredictionSettings
    ) -> list[Prediction]:
        """Predict in one batch from the frames that show something new; if that fails, from each frame alone.

        That needs less memory, and a frame that the model refuses costs only its own camera a prediction.
        """
        usable = [(frame, instruction) for frame in frames if (instruction := self._instruction(predictor, frame))]
        unchanged, usable = self._look_up(usable, settings)
        return unchanged + (self._predict_anew(predictor, usable, settings) if usable else [])

    def _look_up(self, jobs: list[Job], settings: PredictionSettings) -> tuple[list[Prediction], list[Job]]:
        """Return the last predictions for the jobs in which nothing has changed, and the other jobs."""
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

    def _predict_anew(
        self, predictor: FramePredictor, usable: list[Job], settings: PredictionSettings
    ) -> list[Prediction]:
        try:
            return self._run_model(predictor, usable, settings)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        free_memory()  # here, after the exception has let go of the tensors
        self._logger.debug(f"A batch of {len(usable)} failed and is tried again frame by frame: {reason}")
        results = []
        for job in usable:
            try:
                results += self._run_model(predictor, [job], settings)
            except ValueError as error:
                job[0].owner.drop(Drop.REFUSED, str(error))
            except Exception as error:
                job[0].owner.drop(Drop.FAILED, f"{type(error).__name__}: {error}")
        return results

    def _instruction(self, predictor: FramePredictor, frame: Frame) -> str:
        """Return the frame's instruction, or an empty text, having said why, if nothing can be predicted from it."""
        instruction = frame.owner.instruction
        if not instruction:
            frame.owner.drop(Drop.NO_INSTRUCTION)
            return ""
        try:
            frame.rgb  # noqa: B018  (decodes)
        except Exception as error:
            frame.owner.drop(Drop.UNUSABLE, str(error))
            return ""
        if instruction not in self._known_instructions:
            self._known_instructions.append(instruction)
            if lost := cut_off_text(predictor.tokenizer, instruction):
                self._logger.warning(f"The instruction is too long for the model, which does not see: '{lost[:200]}'")
        return instruction

    def _run_model(self, predictor: FramePredictor, jobs: list[Job], settings: PredictionSettings) -> list[Prediction]:
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
