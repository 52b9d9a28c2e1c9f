"""The scripts that set up, check and build."""
