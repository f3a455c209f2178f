"""Level 2: ratings, histories and splits, and the readers of every dataset and file."""
