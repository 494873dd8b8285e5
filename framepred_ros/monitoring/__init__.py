"""Checks predictions against the frames that came true, and says when the world stops going as predicted."""
