"""Floor 2: pure functions from tables to numbers, charts and pages."""
