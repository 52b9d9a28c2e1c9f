"""The Kademlia RPC layer (dht-rpc)."""
