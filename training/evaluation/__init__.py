"""Measuring a predictor on the pairs of a dataset: selection, scores, summary, report and pictures."""
