"""Level 4: fidelity, agreement and statistics: scores become numbers, whatever explained."""
