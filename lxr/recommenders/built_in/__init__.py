"""Recommenders that this package trains, one file each."""
