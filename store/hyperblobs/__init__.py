"""Hyperblobs: byte blobs on one hypercore."""
