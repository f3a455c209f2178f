"""Level 1: checks of options, storage, sparse matrices, weights, the machine. Nothing here knows recommenders."""
