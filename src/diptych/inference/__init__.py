"""Many files, and what is larger than memory or moves: batches, TIFFs, videos."""
