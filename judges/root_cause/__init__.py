"""The judge of root causes: one question per failing run, with its outcome in view, and the other run beside it."""
