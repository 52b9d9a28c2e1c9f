"""Encrypted framing over a byte stream: Noise handshakes and the secret stream."""

from __future__ import annotations

from net.noise.handshake import Handshake, HandshakeResult
from net.noise.secret_stream import SecretStream

__all__ = ["Handshake", "HandshakeResult", "SecretStream"]
