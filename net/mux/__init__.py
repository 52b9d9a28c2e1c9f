"""Protomux: many channels over one framed stream."""
