"""What a forecaster is made of: series laid end to end, references, a linear path, windows, networks, intervals."""
