"""Distillation of a checkpoint into one that needs few sampling steps and no guidance."""
