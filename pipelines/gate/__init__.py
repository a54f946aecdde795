"""The gate: two sides read from jobs, experiments or a saved baseline, a decision, and where it is written."""
