"""Copying: the current frame taken as the prediction, what every predictor must beat."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.predictors.base import Pair, Prediction, Predictor


class Copying(Predictor):
    """Predicts that nothing will move."""

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        return [Prediction(pair.current) for pair in pairs]
