"""The machine that a translator runs on: its devices, precision and memory; what is chosen by what it can do."""
