"""Files that appear whole or not at all, work done ahead, and pretrained weights."""
