"""Hyperbee: a sorted key-value store on one hypercore."""
