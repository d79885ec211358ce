"""A trained method as one folder: its card, its controls, and its use."""
