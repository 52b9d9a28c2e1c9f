"""Files of the user, shared from and fetched to where they lie."""
