"""Explainers that are trained for a recommender: LXR, LXR on paths, and their refinements for one user."""
