"""The exponential moving average of the trained weights."""

from collections.abc import Iterable

import torch
from diffusers.training_utils import EMAModel
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage(EMAModel):
    """diffusers' `EMAModel` with an update in place.

    Its own update keeps the difference of all weights for a moment, which takes as much memory as the weights (3.4 GB
    for Stable Diffusion's UNet in float32) and on a CPU three times as long.
    """

    @torch.no_grad()
    def step(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Moves the average towards `parameters`, which are all trained, at the rate of `get_decay` for this step."""
        self.optimization_step += 1
        self.cur_decay_value = self.get_decay(self.optimization_step)
        parameters = list(parameters)
        if self.foreach:
            get_ema_multi_avg_fn(self.cur_decay_value)(self.shadow_params, parameters, None)
        else:
            for average, parameter in zip(self.shadow_params, parameters, strict=True):
                average.lerp_(parameter, 1 - self.cur_decay_value)
