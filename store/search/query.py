"""What a person types, turned into what the index understands.

Words apart from each other must all be there; what stands in quotes, and what one
typed word falls into (an address, Chinese text), must stand together in that order. The
last word may be unfinished. There is no other syntax: every character is looked for or
separates, and nothing that is typed is an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from store.errors import LocalProtocolError
from store.search.words import Run, fold, normalise, pairs, pieces, runs

MAX_QUERY_CHARS = 1_024
"""What is typed beyond is not looked for."""
MAX_TERMS = 16
"""Terms looked for at once; further ones are not looked for."""
MAX_TERM_WORDS = 64
"""Runs of one term; further ones are not looked for."""
MAX_FILTER_KEYS = 64
"""Rooms, or authors, that one search is confined to."""

_QUOTES = '"\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f\uff02'
_PART = re.compile(f"[{_QUOTES}]([^{_QUOTES}]*)([{_QUOTES}]?)|[^\\s{_QUOTES}]+")


@dataclass(frozen=True, slots=True)
class Term:
    """Runs that stand together in this order."""

    runs: tuple[Run, ...]
    unfinished: bool = False
    """The last run may go on."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for, and among which entries."""

    text: str = ""
    """As typed. Without any word in it the filters alone decide."""
    rooms: Sequence[bytes] = ()
    """Only entries of these; of any when empty."""
    authors: Sequence[bytes] = ()
    """Only entries by these; by any when empty."""
    since_ms: int | None = None
    """Only entries of this time or later, in milliseconds since 1970."""
    until_ms: int | None = None
    """Only entries before this time."""
    has_file: bool = False
    """Only entries with a file."""
    typing: bool = True
    """The last word may be unfinished, unless a space or a quote ends it."""

    def __post_init__(self) -> None:
        """Refuse more than one search may ask.

        Raises:
            LocalProtocolError: Too many rooms or authors.
        """
        if max(len(self.rooms), len(self.authors)) > MAX_FILTER_KEYS:
            raise LocalProtocolError("too many rooms or authors", code="too-large")


def parse(text: str, *, typing: bool = True) -> tuple[Term, ...]:
    """The terms of what is typed.

    Args:
        text: Anything at all.
        typing: Whether the last word may be unfinished.
    """
    text = normalise(text[:MAX_QUERY_CHARS])
    terms: list[Term] = []
    for found in _PART.finditer(text):
        quoted = found[1] is not None
        found_runs = tuple(runs(fold(found[1] if quoted else found[0])))
        if not found_runs:
            continue
        open_end = found.end() == len(text) and not (quoted and found[2])
        unfinished = typing and open_end and _is_in_run(text[-1])
        terms.append(Term(found_runs[:MAX_TERM_WORDS], unfinished))
    return tuple(terms[:MAX_TERMS])


def expression(terms: Sequence[Term]) -> str:
    """The terms in FTS5's words, for the column ``body``; all of them must match."""
    return " AND ".join(_phrase(term) for term in terms)


def tags(*, room: int, author: int, has_file: bool) -> str:
    """What is indexed of an entry besides its text."""
    return f"r{room} a{author}" + (" f" if has_file else "")


def tag_filter(
    *, rooms: Sequence[int], authors: Sequence[int], has_file: bool
) -> list[str]:
    """Conditions on ``tags`` in FTS5's words; none of them confines by itself nothing.

    Args:
        rooms: Numbers of rooms, of which one must be it; any when empty.
        authors: Likewise.
        has_file: Whether there must be a file.
    """
    conditions = []
    for letter, numbers in (("r", rooms), ("a", authors)):
        if numbers:
            choice = " OR ".join(f'"{letter}{number}"' for number in numbers)
            conditions.append(f"tags : ({choice})")
    if has_file:
        conditions.append('tags : "f"')
    return conditions


def _phrase(term: Term) -> str:
    words: list[str] = []
    *before, last = term.runs
    for run in before:
        # Where another run follows, this one ends as a run of the text does.
        words += [*pairs(run.text), run.text[-1]] if run.dense else pieces(run.text)
    beginning = term.unfinished and not last.dense
    if not last.dense:
        words += pieces(last.text)
    elif len(last.text) > 1:
        words += pairs(last.text)
    else:
        words.append(last.text)
        beginning = True
    return f'body : "{" ".join(words)}"' + (" *" if beginning else "")


def _is_in_run(char: str) -> bool:
    folded = fold(char)
    return not folded or not folded.endswith(" ")
