"""Finding what was said, over all rooms of a profile: the index kept up with them."""

from app.search.worker import Found, Pace, Searching

__all__ = ["Found", "Pace", "Searching"]
