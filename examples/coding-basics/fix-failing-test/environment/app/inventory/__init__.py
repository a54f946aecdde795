"""Stock levels from suppliers' files."""
