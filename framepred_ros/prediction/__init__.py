"""The model without ROS: `FramePredictor`, its engines, checkpoints, and frames into the model and out of it."""
