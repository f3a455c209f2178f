"""Level 6: studies that make explainers themselves: bounds, sanity checks, costs, comparisons with publications."""
