"""Reliable streams and unordered messages over datagrams (UDX)."""
