"""Level 5: explainers and the objectives that they explain; LXR is one family of them."""
