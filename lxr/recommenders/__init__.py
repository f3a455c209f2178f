"""Level 3: recommenders, their training and ranking quality, and what they recommend."""
