"""Level 8: the explorer, as a session without widgets and as widgets."""
