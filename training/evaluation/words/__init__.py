"""Do the words decide? Frames from which several instructions are possible, and which of the futures is predicted."""
