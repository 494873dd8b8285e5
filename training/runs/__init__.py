"""A training run from its command to its checkpoint: what chooses a learner and gives it to the trainer."""
