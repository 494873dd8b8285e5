"""Measurements of speed and memory, each beside a named reference in the same run."""
