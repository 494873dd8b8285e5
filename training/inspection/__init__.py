"""What there is to see and to warn of in a dataset."""
