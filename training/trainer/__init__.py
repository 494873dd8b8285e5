"""Training of either size of model: recipe, data, steps, state, log, validation and the checkpoint folder."""
