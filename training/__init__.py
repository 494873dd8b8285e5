"""The workshop: episodes, datasets, training and evaluation. The runtime in `framepred_ros` never imports it."""
