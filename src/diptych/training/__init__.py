"""Training: the loop, its state on disk, what it says, and how it is made fast."""
