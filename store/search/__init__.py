"""Finding messages by their words, over all rooms of a profile."""

from store.search.entries import Entry
from store.search.finding import Hit
from store.search.index import Rebuild, SearchIndex
from store.search.query import SearchQuery
from store.search.snippet import Snippet

__all__ = ["Entry", "Hit", "Rebuild", "SearchIndex", "SearchQuery", "Snippet"]
