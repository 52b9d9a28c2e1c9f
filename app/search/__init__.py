"""Finding what was said, over all rooms of a profile: the index kept up with them."""

from app.search.indexer import Pace
from app.search.searching import Found, Searching

__all__ = ["Found", "Pace", "Searching"]
