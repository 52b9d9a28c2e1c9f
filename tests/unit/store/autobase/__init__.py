"""The order of many logs."""
