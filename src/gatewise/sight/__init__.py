"""What a pass through a network shows: traces, reach of gradients, equations with numbers, where a NaN came from."""
