"""Speed and size, printed as ratios within one run: never asserted, since machines differ and are noisy."""
