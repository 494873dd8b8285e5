"""Prediction without PyTorch: small checkpoints on a CPU, by OpenVINO and NumPy.

`choice` decides whether a checkpoint can be run so, `form` is what is kept of it beside its weights, `export` makes
that where PyTorch is installed, and `predictor` is the `FramePredictor`.
"""
