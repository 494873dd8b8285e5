"""What can be measured: checkpoints, references that need no model, and pictures made elsewhere."""
