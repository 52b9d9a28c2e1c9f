"""The tables of a profile's database, by what they are about."""
