"""A predictor of its own for each task, measured as one."""

from __future__ import annotations

from collections.abc import Sequence

from training.dataset.index import Row
from training.evaluation.predictors.base import Pair, Prediction, Predictor


class ByTask(Predictor):
    """Hands each pair to its task's predictor, such as a model that was fine-tuned on that task alone.

    Args:
        predictors: by task.

    Raises:
        ValueError: they do not predict equally far ahead.
    """

    def __init__(self, predictors: dict[str, Predictor]):
        self.predictors = predictors
        for name in ("horizon", "horizons", "step_duration"):
            values = {getattr(each, name) for each in predictors.values()} - {None}
            if len(values) > 1:
                raise ValueError(f"the tasks' predictors differ in {name}: {', '.join(map(str, sorted(values)))}")
            setattr(self, name, values.pop() if values else None)
        self.history = tuple(sorted({steps for each in predictors.values() for steps in each.history}))
        self.sees_truth = any(each.sees_truth for each in predictors.values())
        self.takes_words = all(each.takes_words for each in predictors.values())

    def prepare(self, rows: Sequence[Row], size: tuple[int, int] | None) -> None:
        missing = sorted({row.task for row in rows} - set(self.predictors))
        if missing:
            raise ValueError(f"no predictor for task {missing[0]}, only for: {', '.join(self.predictors)}")
        for task, predictor in self.predictors.items():
            predictor.prepare([row for row in rows if row.task == task], size)

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        predictions: dict[int, Prediction] = {}
        for task, predictor in self.predictors.items():
            numbers = [number for number, pair in enumerate(pairs) if pair.row.task == task]
            if numbers:
                predictions.update(zip(numbers, predictor.predict([pairs[number] for number in numbers]), strict=True))
        return [predictions[number] for number in range(len(pairs))]
