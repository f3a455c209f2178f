"""Level 6: search spaces, subjects, studies and records of hyperparameter tuning with Optuna."""
