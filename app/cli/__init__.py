"""The command line: a client of the core, and the commands that need none."""
