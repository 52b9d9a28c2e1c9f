"""Whom a person writes to directly: contacts, requests of others, blocked people."""
