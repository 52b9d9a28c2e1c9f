"""Bytes between keys: the HyperDHT network, from datagrams to topics."""
