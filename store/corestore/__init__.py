"""Corestore: many hypercores under one key and one replication stream."""
