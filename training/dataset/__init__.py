"""The parts of training.build_dataset, which turns episodes into a dataset folder."""
