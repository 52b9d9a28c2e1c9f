"""What people write with marks, as pieces to show: bold, code, quotes, lists, links.

Text is taken apart by ``markdown-it-py`` with only the rules a conversation needs: no
headings, tables, images, hidden link targets or HTML. Every character of others is
escaped; the only elements in the answer are the ones made here. Code is coloured by
``Pygments`` where its language is named. What cannot be marked text is left alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ui import format as texts

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

MAX_MARKED_CHARS: Final = 8000
"""A longer text is shown without its marks being read."""
MAX_COLOURED_CHARS: Final = 4000
"""Longer code is shown in one colour."""
MAX_NESTING: Final = 12
"""Marks within marks; deeper ones are shown as written."""
MAX_BLOCKS: Final = 40
"""Pieces of one message; a message of more is shown as written."""
MAX_LANGUAGE_CHARS: Final = 60
"""Of what stands behind the beginning of code."""
_KEPT_COUNT = 512

_MARKS = re.compile(
    r"[*_`~]|^[ \t]*(?:>|[-+] |\d{1,9}[.)] )|(?:https?|covey)://", re.MULTILINE
)
_SCHEME = re.compile(r"(?:https?|covey)$")
_LINK_STYLE = '<a href="{0}" style="color:LINK">{0}</a>'
_OPEN: Final = {"strong_open": "<b>", "em_open": "<i>", "s_open": "<s>"}
_CLOSE: Final = {"strong_close": "</b>", "em_close": "</i>", "s_close": "</s>"}
_COLOURS: Final = (
    *(("Comment", "COMMENT"), ("Keyword", "KEYWORD"), ("Literal.String", "STRING")),
    *(("Literal.Number", "NUMBER"), ("Name.Function", "NAME"), ("Name.Class", "NAME")),
    *(("Name.Builtin", "NAME"), ("Name.Tag", "KEYWORD"), ("Operator.Word", "KEYWORD")),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a message."""

    kind: str
    """``text``, ``quote`` or ``code``."""
    body: str
    """Rich text in which colours have names: LINK, KEYWORD and so on."""
    plain: str
    """The piece without marks, for copying."""
    language: str = ""
    """Of code, as its author named it."""


def may_have_marks(text: str) -> bool:
    """Whether it is worth to read the text's marks."""
    return len(text) <= MAX_MARKED_CHARS and _MARKS.search(text) is not None


@lru_cache(maxsize=_KEPT_COUNT)
def blocks(text: str, names: tuple[str, ...] = ()) -> tuple[Block, ...]:
    """The pieces of a message; none when it is best shown as written.

    Args:
        text: What was written.
        names: Names that stand out where they follow an ``@``.
    """
    if len(text) > MAX_MARKED_CHARS:
        return ()
    tokens = _parser().parse(_end_quotes(text))
    found = tuple(_pieces(tokens, names))
    shown = "".join(block.plain + block.language for block in found)
    # Marks nested too deeply are dropped with what they hold; nothing may be lost.
    if len(found) > MAX_BLOCKS or _letter_count(shown) != _letter_count(text):
        return ()
    return found


def _end_quotes(text: str) -> str:
    """The text with a free line behind each quote, which else would go on."""
    lines: list[str] = []
    fenced = quoted = False
    for line in text.split("\n"):
        start = line.lstrip()
        if quoted and not fenced and start and not start.startswith(">"):
            lines.append("")
        quoted = start.startswith(">")
        fenced ^= start.startswith(("```", "~~~"))
        lines.append(line)
    return "\n".join(lines)


def _letter_count(text: str) -> int:
    return sum(map(str.isalpha, text))


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt(
        "zero", {"html": False, "breaks": True, "maxNesting": MAX_NESTING}
    )
    parser.enable(["fence", "blockquote", "list", "newline", "escape", "backticks"])
    parser.enable(["emphasis", "strikethrough", "balance_pairs", "fragments_join"])
    parser.inline.ruler.before("emphasis", "address", _read_address)
    return parser


def _read_address(state: StateInline, silent: bool) -> bool:
    """Take a link as one piece, so that marks within it mean nothing."""
    if not state.src.startswith("://", state.pos):
        return False
    scheme = _SCHEME.search(state.pending)
    if scheme is None:
        return False
    start = state.pos - len(scheme.group())
    link = texts.first_link(state.src[start:])
    if not link:
        return False
    if not silent:
        state.pending = state.pending[: scheme.start()]
        token = state.push("address", "", 0)
        token.content = link
    state.pos = start + len(link)
    return True


def _pieces(tokens: Sequence[Token], names: tuple[str, ...]) -> Iterable[Block]:
    """Blocks in order; neighbouring paragraphs and lists share one."""
    lines: list[tuple[str, str]] = []
    quoted = 0
    kind = "text"
    prefixes: list[str] = []
    lists: list[int | None] = []
    last_line = 0
    for token in tokens:
        if token.type == "blockquote_open":
            if quoted == 0:
                yield from _block(kind, lines)
                lines, kind = [], "quote"
            quoted += 1
        elif token.type == "blockquote_close":
            quoted -= 1
            if quoted == 0:
                yield from _block(kind, lines)
                lines, kind = [], "text"
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            ordered = token.type == "ordered_list_open"
            lists.append(int(token.attrGet("start") or 1) if ordered else None)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif token.type == "list_item_open":
            number = lists[-1]
            prefixes.append("\u2022" if number is None else f"{number}.")
            if number is not None:
                lists[-1] = number + 1
        elif token.type == "fence":
            yield from _block(kind, lines)
            lines = []
            yield _code(token)
        elif token.type == "inline":
            begins = token.map[0] if token.map else 0
            if lines and begins > last_line and not lists:
                lines += [("", "")] * min(begins - last_line, 2)
            prefix = prefixes.pop() if prefixes else ""
            prefixes.clear()
            lines.append(_line(token, names, prefix, len(lists)))
        if token.map and token.type in ("inline", "fence"):
            last_line = token.map[1]
    yield from _block(kind, lines)


def _line(
    token: Token, names: tuple[str, ...], prefix: str, depth: int
) -> tuple[str, str]:
    body = "".join(_inline(token.children or (), names))
    plain = "".join(_said(child) for child in token.children or ())
    if depth:
        step = 18 * depth
        hang = 14 if prefix else 0
        indent = f"margin: 2px 0 2px {step}px; text-indent:-{hang}px"
        mark = f"{prefix}&nbsp;&nbsp;" if prefix else ""
        return (f'<p style="{indent}">{mark}{body}</p>', f"{prefix} {plain}".strip())
    return body, plain


def _block(kind: str, lines: list[tuple[str, str]]) -> Iterable[Block]:
    if not lines:
        return
    body = ""
    for line, _ in lines:
        both_inline = body and not body.endswith("</p>") and not line.startswith("<p ")
        body += ("<br>" if both_inline else "") + line
    yield Block(kind, body, "\n".join(plain for _, plain in lines))


def _inline(children: Iterable[Token], names: tuple[str, ...]) -> Iterable[str]:
    for child in children:
        if child.type == "address":
            yield _LINK_STYLE.format(html.escape(child.content, quote=True))
        elif child.type == "code_inline":
            code = texts.escaped(child.content)
            yield (
                '<span style="font-family:monospace; background-color:CODE">'
                f"&nbsp;{code}&nbsp;</span>"
            )
        elif child.type in ("softbreak", "hardbreak"):
            yield "<br>"
        elif child.type in _OPEN:
            yield _OPEN[child.type]
        elif child.type in _CLOSE:
            yield _CLOSE[child.type]
        else:
            yield with_names(child.content, names)


def with_names(text: str, names: Iterable[str]) -> str:
    """The text escaped, with the names of those it calls standing out."""
    body = texts.escaped(text)
    wanted = sorted({texts.escaped(name) for name in names if name}, key=len)
    if not wanted or "@" not in body:
        return body
    found = "|".join(re.escape(name) for name in reversed(wanted))
    return re.sub(
        rf"@(?:{found})(?!\w)",
        lambda name: f'<b style="color:LINK">{name.group()}</b>',
        body,
    )


def _said(token: Token) -> str:
    return "\n" if token.type in ("softbreak", "hardbreak") else token.content


def _code(token: Token) -> Block:
    code = token.content.rstrip("\n")
    language = texts.clean_name(token.info)[:MAX_LANGUAGE_CHARS]
    return Block("code", _coloured(code, language.split(" ")[0]), code, language)


def _coloured(code: str, language: str) -> str:
    if not language or len(code) > MAX_COLOURED_CHARS:
        return texts.escaped(code)
    try:
        from pygments import lex  # type: ignore[import-untyped]
        from pygments.lexers import (  # type: ignore[import-untyped]
            get_lexer_by_name,
        )
        from pygments.util import ClassNotFound  # type: ignore[import-untyped]
    except ImportError:
        return texts.escaped(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return texts.escaped(code)
    return "".join(_shade(str(kind), words) for kind, words in lex(code, lexer))


def _shade(kind: str, words: str) -> str:
    body = texts.escaped(words)
    for beginning, colour in _COLOURS:
        if kind.startswith(f"Token.{beginning}"):
            return f'<span style="color:{colour}">{body}</span>'
    return body
