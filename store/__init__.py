"""What must survive: the encrypted database, logs and files."""
