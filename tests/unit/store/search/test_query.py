"""Whatever a person types is looked for, and nothing is an error."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import LocalProtocolError
from store.search.query import (
    MAX_FILTER_KEYS,
    MAX_QUERY_CHARS,
    MAX_TERM_WORDS,
    MAX_TERMS,
    SearchQuery,
    expression,
    parse,
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("hello wor", 'body : "hello" AND body : "wor" *'),
        ("hello ", 'body : "hello"'),
        ("hello,", 'body : "hello"'),
        ('"exact phrase"', 'body : "exact phrase"'),
        ('"exact phr', 'body : "exact phr" *'),
        ("„so“ «da»", 'body : "so" AND body : "da"'),
        ("example.com/p", 'body : "example com p" *'),
        ("東", 'body : "東" *'),
        ("東 ", 'body : "東" *'),
        ("東京タ", 'body : "東京 京タ"'),
        ("手机\uff0c好", 'body : "手机 机 好" *'),
        ("iphone手机", 'body : "iphone 手机"'),
        (
            "a OR b* NEAR(",
            'body : "a" AND body : "or" AND body : "b" AND body : "near"',
        ),
        ("NOT -x", 'body : "not" AND body : "x" *'),
        ('" * ^', ""),
        ("", ""),
    ],
)
def test_what_is_typed_means_this(typed: str, expected: str) -> None:
    assert expression(parse(typed)) == expected


def test_a_finished_query_has_no_unfinished_word() -> None:
    assert expression(parse("wor", typing=False)) == 'body : "wor"'


def test_what_is_too_much_is_left_out_or_refused() -> None:
    assert len(parse("a " * 400)) == MAX_TERMS
    (term,) = parse('"' + "a " * 400 + '"')
    assert len(term.runs) == MAX_TERM_WORDS
    assert parse(" " * MAX_QUERY_CHARS + "late") == ()
    SearchQuery(rooms=[b"r"] * MAX_FILTER_KEYS)
    with pytest.raises(LocalProtocolError):
        SearchQuery(rooms=[b"r"] * (MAX_FILTER_KEYS + 1))
    with pytest.raises(LocalProtocolError):
        SearchQuery(authors=[b"r"] * (MAX_FILTER_KEYS + 1))


SIGNS = st.sampled_from(
    ['"', "*", "^", ":", "(", ")", "{", "}", "-", "+", "NEAR", " AND ", " OR ", "NOT"]
)


@pytest.fixture(scope="module")
def table() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5 (body, tags, content = '',"
        " tokenize = 'ascii', prefix = '1 2')"
    )
    connection.execute(
        "INSERT INTO words (rowid, body) VALUES (1, 'and or near not a')"
    )
    return connection


@given(
    st.lists(st.one_of(SIGNS, st.text(st.characters()), st.just("東"))), st.booleans()
)
def test_nothing_that_is_typed_is_a_syntax_error(
    table: apsw.Connection, parts: list[str], typing: bool
) -> None:
    found = expression(parse("".join(parts), typing=typing))
    if found:
        table.execute(
            "SELECT rowid FROM words WHERE words MATCH ?", (found,)
        ).fetchall()


def test_the_longest_queries_are_none_either(table: apsw.Connection) -> None:
    for typed in (
        "a b " * 300,
        "東京 " * 300,
        "東" * 1024,
        '"' + "x " * 600,
        "x." * 600,
    ):
        found = expression(parse(typed))
        table.execute(
            "SELECT rowid FROM words WHERE words MATCH ?", (found,)
        ).fetchall()
