"""Writers of episodes in the layouts of their upstream writers; they share no code with the readers under test."""
