"""Protomux: many channels over one encrypted connection."""

from __future__ import annotations

from net.mux.channel import Channel, ChannelState, ChannelTraffic
from net.mux.mux import Mux

__all__ = ["Channel", "ChannelState", "ChannelTraffic", "Mux"]
