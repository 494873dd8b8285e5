"""Recorded episodes: cautious reading of bags, the camera that replays them, animations of them."""
