"""The gateway to judge models: one call in, one reply out, within limits on rate and on money."""
