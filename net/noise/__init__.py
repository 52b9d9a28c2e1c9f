"""Noise handshakes over Ed25519 and the encrypted stream built on them."""
