"""Tests of the UDX machine, without sockets and clocks."""
