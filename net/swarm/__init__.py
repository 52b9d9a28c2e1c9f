"""Hyperswarm: peers by topic."""
