"""How a prediction is scored: the metrics, running predictors over pairs, and the scores that are kept."""
