"""Exponential smoothing and Theta: all series of a panel at once, one recursion for every form."""
