"""Level 6: explanations of one user, tables, figures and pages."""
