"""Devices into frames, frames into calls."""
