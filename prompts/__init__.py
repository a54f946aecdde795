"""Floor 1: the criteria the judges apply, as versioned text files, and their loader."""
