"""Random convolutions and ridge regression: what stands beside the networks where sequences are few and long."""
