"""Level 7: notebooks as stages of a run, its files, verification and summaries."""
