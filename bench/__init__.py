"""Side-by-side measurements: absolute times of shared machines mean little, ratios within one run are the result."""
