"""Several devices under one identity: linking, revoking, and what they tell each other.

Names are imported from the modules that define them, because the profile needs some of
them before there are rooms.
"""
