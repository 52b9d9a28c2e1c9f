"""HyperDHT: records, announcements, connections by key."""
