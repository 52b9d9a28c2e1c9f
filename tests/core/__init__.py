"""Cores, clients and command lines as real processes on loopback."""
