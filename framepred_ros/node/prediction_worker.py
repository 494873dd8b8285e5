"""The thread that owns the model: it loads it and predicts from the newest frames, beside the ROS executor."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from framepred_ros.node.jobs import Job, predict_jobs
from framepred_ros.node.memory import free_memory
from framepred_ros.node.newest_frames import Batch, Frame, NewestFrames, Predicted
from framepred_ros.node.settings import PredictionSettings
from framepred_ros.node.statistics import Drop
from framepred_ros.node.unchanged_frames import LastPredictions

if TYPE_CHECKING:
    from framepred_ros.prediction.predictor import FramePredictor

REMEMBERED_INSTRUCTIONS = 64
Prediction = tuple[Frame, Predicted]  # made from this frame, or from an earlier one that looks the same


class PredictionWorker:
    """One thread for all of torch's work. It tells a frame's owner what became of the frame.

    Args:
        load: returns the predictor, warmed up; called in the thread, so that torch is imported there, too.
        settings: returns the settings that hold now; read once per batch.
        max_rate: returns the most batches per second that hold now, hertz; 0: as many as possible.
        logger: the node's.

    Attributes:
        frames: where the cameras' frames go; the thread takes them from there.
        loaded: the predictor, or why it could not be loaded.
    """

    def __init__(
        self,
        load: Callable[[], FramePredictor],
        settings: Callable[[], PredictionSettings],
        max_rate: Callable[[], float],
        logger: Any,
    ) -> None:
        self.frames = NewestFrames()
        self.loaded: Future[FramePredictor] = Future()
        self._load, self._settings, self._max_rate, self._logger = load, settings, max_rate, logger
        self._started = float("-inf")  # of the last batch, time.monotonic()
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
        while (batch := self.frames.take(self._not_before)) is not None:
            self._started = time.monotonic()
            self._serve(predictor, batch, self._settings())

    def _not_before(self) -> float:
        """Return the `time.monotonic()` before which `max_rate` allows no further batch."""
        rate = self._max_rate()
        return self._started + 1 / rate if rate > 0 else 0.0

    def _serve(self, predictor: FramePredictor, batch: Batch, settings: PredictionSettings) -> None:
        published: list[Frame] = []
        try:
            predictions = self._predict(predictor, batch.frames, settings)
            published = [frame for frame, predicted in predictions if self._publish(frame, predicted, settings)]
        except Exception as error:  # whatever went wrong, the next frame may be predicted
            self._logger.debug(traceback.format_exc())
            self._logger.error(f"Prediction lost: {_text(error)}", throttle_duration_sec=5.0)
        for request in batch.requests:
            if request.set_running_or_notify_cancel():
                request.set_result(published)

    def _publish(self, frame: Frame, predicted: Predicted, settings: PredictionSettings) -> bool:
        """Return whether the prediction could be published; a failure concerns this frame alone."""
        try:
            frame.owner.publish(frame, predicted, settings)
        except Exception as error:
            self._logger.debug(traceback.format_exc())
            frame.owner.drop(Drop.UNPUBLISHED, _text(error))
            return False
        return True

    def _predict(
        self, predictor: FramePredictor, frames: list[Frame], settings: PredictionSettings
    ) -> list[Prediction]:
        """Predict in one batch from the frames that show something new; if that fails, from each frame alone.

        That needs less memory, and a frame that the model refuses costs only its own camera a prediction.
        """
        unchanged: list[Prediction] = []
        jobs: list[Job] = []
        for frame in frames:
            try:
                self._prepare(predictor, frame, settings, unchanged, jobs)
            except Exception as error:
                self._logger.debug(traceback.format_exc())
                frame.owner.drop(Drop.FAILED, _text(error))
        return unchanged + (self._predict_anew(predictor, jobs, settings) if jobs else [])

    def _prepare(
        self,
        predictor: FramePredictor,
        frame: Frame,
        settings: PredictionSettings,
        unchanged: list[Prediction],
        jobs: list[Job],
    ) -> None:
        """Sort a frame: its camera's last prediction still holds for it, or it is to be predicted from, or neither."""
        instruction = self._instruction(predictor, frame)
        if not instruction:
            return
        horizon = predictor.horizon if settings.horizon is None else settings.horizon
        strip = settings.horizons if frame.owner.strip_watched else ()
        job = Job(frame, instruction, horizon, strip, frame.owner.past_of(frame))
        predicted = self._find_unchanged(job, settings)
        if predicted is None:
            jobs.append(job)
        else:
            unchanged.append((frame, predicted))

    def _find_unchanged(self, job: Job, settings: PredictionSettings) -> Predicted | None:
        """Return the camera's last prediction if it holds for the job, and may be used again."""
        if not settings.skip_unchanged:
            return None
        past = list(job.past.values())
        return self._last.find(
            job.frame.camera, job.frame.rgb, _conditions(job, settings), settings.skip_unchanged, past
        )

    def _predict_anew(
        self, predictor: FramePredictor, usable: list[Job], settings: PredictionSettings
    ) -> list[Prediction]:
        try:
            return self._run_model(predictor, usable, settings)
        except Exception as error:
            reason = _text(error)
        free_memory()  # not in the except block: there the exception still holds the tensors
        self._logger.debug(f"A batch of {len(usable)} failed and is tried again frame by frame: {reason}")
        results = []
        for job in usable:
            try:
                results += self._run_model(predictor, [job], settings)
            except ValueError as error:
                job.frame.owner.drop(Drop.REFUSED, str(error))
            except Exception as error:
                job.frame.owner.drop(Drop.FAILED, _text(error))
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
        results = predict_jobs(predictor, jobs, settings)
        if settings.skip_unchanged:
            for job, predicted in zip(jobs, results, strict=True):
                past = list(job.past.values())
                self._last.keep(job.frame.camera, job.frame.rgb, _conditions(job, settings), predicted, past)
        return [(job.frame, predicted) for job, predicted in zip(jobs, results, strict=True)]


def _conditions(job: Job, settings: PredictionSettings) -> tuple:
    """Return what a job's prediction depends on besides pictures."""
    return job.instruction, job.horizon, job.strip, tuple(job.past), settings.steps, settings.seed


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def cut_off_text(tokenizer: Any, text: str) -> str:
    """Return the end of a text that a tokenizer cuts off, decoded from its tokens; empty if nothing is cut off.

    Args:
        tokenizer: a transformers tokenizer that puts one token before and one after the text, as CLIP's does.
    """
    limit = tokenizer.model_max_length
    tokens = tokenizer(text, verbose=False).input_ids
    return tokenizer.decode(tokens[limit - 1 : -1]) if len(tokens) > limit else ""
