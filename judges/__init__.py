"""Floor 2: verdicts on steps, by deterministic rules."""
