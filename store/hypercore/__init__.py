"""Hypercore: signed append-only logs that are verified block by block."""
