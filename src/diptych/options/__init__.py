"""Options: signatures as schemas, recipe files, and modules found by their names."""
