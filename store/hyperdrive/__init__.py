"""Hyperdrive: a file system on a hyperbee and hyperblobs."""
