"""One file per task: what a pair *is*, once, for training and for use."""
