"""Label files of others, read into the same labels: examples of how a loader is made."""
