"""Floor 3: one module per stage, and the command line."""
