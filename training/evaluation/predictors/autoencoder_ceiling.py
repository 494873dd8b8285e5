"""The autoencoder's ceiling: the true future frame after the round trip through a checkpoint's autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.predictors.base import Pair, Prediction, Predictor


class AutoencoderCeiling(Predictor):
    """What plain decoding of perfectly predicted latents would give. It looks at the truth: a bound, no predictor.

    Args:
        model: a `framepred_ros.prediction.predictor.FramePredictor`.
    """

    sees_truth = True

    def __init__(self, model):
        self.model = model

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        return [Prediction(self.model.reconstruct(pair.truth)) for pair in pairs]
