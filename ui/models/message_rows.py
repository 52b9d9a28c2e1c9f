"""What one row of the conversation shows, made out of a message and its neighbours.

Pure, but for the language of the texts. Which rows there are is decided by
:class:`ui.models.messages.MessageListModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from app.snapshots import MessageSnapshot, PollSnapshot
from ui import format as texts
from ui import markdown
from ui.format import translate

MAX_SHOWN_CHARS = 4000
"""Characters of one message shown before the reader asks for the rest."""
MAX_SHOWN_REACTIONS = 24
"""Signs shown under one message; further ones are counted together."""
LINK_COLOUR = "LINK"
"""Stands in rich text for the colour that the theme puts in."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """What one row of the conversation shows."""

    messageId: str
    author: str
    authorName: str
    initials: str
    colour: int
    mine: bool
    kind: str
    """``message``, ``poll`` or ``newer``."""
    body: str
    """The text to show: plain, or rich when ``rich``."""
    plain: str
    """The text as it was written, for copying."""
    rich: bool
    blocks: list[dict[str, str]]
    """Pieces of a message with code or quotes, in place of ``body``; mostly none."""
    emoji: bool
    """A few emoji alone, shown large."""
    cut: bool
    """Whether the text is longer than what is shown."""
    time: str
    moment: str
    """Day and time in full."""
    day: str
    """Name of the day when this is its first message, else empty."""
    first: bool
    """First of its group of bubbles."""
    last: bool
    """Last of its group, the one that shows time and state."""
    fresh: bool
    """The ``new`` line stands above this message."""
    sendState: str
    """``none`` (not ours), ``sending``, ``here``, ``delivered`` or ``failed``."""
    stateText: str
    deleted: bool
    edited: bool
    pinned: bool
    forwarded: str
    """Who said it first, as whoever forwarded it says; mostly empty."""
    callsMe: bool
    """Whether it mentions this person."""
    quoteId: str
    quoteAuthor: str
    quoteText: str
    thread: str
    """Id of the root of the thread it stands in, where that is worth showing."""
    threadText: str
    """How many messages hang on it, in words; empty for none."""
    reactions: list[dict[str, object]]
    poll: dict[str, object]
    """Answers and what was chosen; empty when it is no poll."""
    expiry: str
    """When it disappears, in words."""
    selected: bool
    canEdit: bool


@dataclass(slots=True)
class Entry:
    """One message of the window with what is only known here."""

    message: MessageSnapshot
    pending: bool = False
    """Given to the core, which has not yet said that it is stored."""
    failure: str = ""
    """Why the core did not store it, as a sentence."""
    expanded: bool = False
    selected: bool = False

    @property
    def settled(self) -> bool:
        """Whether the core knows the message."""
        return not self.pending and not self.failure


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What a row depends on besides its own message."""

    older: MessageSnapshot | None
    newer: MessageSnapshot | None
    quoted: MessageSnapshot | None
    """What it answers, if that is loaded."""
    fresh_id: str
    today: date
    now_ms: int
    thread: str = ""
    """The thread that is open, or empty."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of members by their keys."""
    device_count: int = 0
    """Other devices of all members; 0 while that is not known."""


def make_row(entry: Entry, around: Neighbourhood) -> MessageRow:
    """What a message looks like among its neighbours."""
    message, older, newer = entry.message, around.older, around.newer
    day = texts.local_day(message.sent_at)
    new_day = older is None or texts.local_day(older.sent_at) != day
    fresh = message.id == around.fresh_id
    newer_fresh = newer is not None and newer.id == around.fresh_id
    name = texts.clean_name(message.author_name) or translate("messages", "Somebody")
    readable = not message.deleted and message.kind != "newer"
    text = words(message)
    cut = len(text) > MAX_SHOWN_CHARS and not entry.expanded
    shown = text[:MAX_SHOWN_CHARS].rstrip() + "\u2026" if cut else text
    body, rich, pieces = _dressed(message, shown, readable, around.names)
    state, state_text = _state(entry, around.device_count)
    quote_author, quote_text = _quote(message, around.quoted)
    forwarded = message.forwarded_from if readable else None
    return MessageRow(
        messageId=message.id,
        author=message.author,
        authorName=name,
        initials=texts.initials(name),
        colour=texts.colour_index(message.author),
        mine=message.mine,
        kind=message.kind,
        body=body,
        plain=message.text if readable else "",
        rich=rich,
        blocks=pieces,
        emoji=readable and message.poll is None and texts.only_emoji(text),
        cut=cut,
        time=_time(message),
        moment=texts.full_time(message.sent_at),
        day=texts.day_name(day, around.today) if new_day else "",
        first=new_day or fresh or not same_group(older, message),
        last=newer_fresh or not same_group(message, newer),
        fresh=fresh,
        sendState=state,
        stateText=state_text,
        deleted=message.deleted,
        edited=message.edited and readable,
        pinned=message.pinned,
        forwarded=texts.clean_name(forwarded) if forwarded else "",
        callsMe=message.mentions_me and not message.mine,
        quoteId=message.reply_to or "",
        quoteAuthor=quote_author,
        quoteText=quote_text,
        thread=_thread(message, around.thread),
        threadText=_thread_size(message) if not around.thread else "",
        reactions=reaction_marks(message),
        poll=poll_of(message.poll, around.now_ms) if message.poll else {},
        expiry=_expiry(message),
        selected=entry.selected,
        canEdit=_can_edit(entry),
    )


def words(message: MessageSnapshot) -> str:
    """What a message says now."""
    if message.deleted:
        return translate("messages", "Message deleted")
    if message.kind == "newer":
        return translate("messages", "Update Covey to see this message")
    return message.text


def same_group(older: MessageSnapshot | None, newer: MessageSnapshot | None) -> bool:
    """Whether two neighbours belong to one group: one author, one minute."""
    if older is None or newer is None:
        return False
    return (
        older.author == newer.author
        and not (older.edited or older.reactions or older.thread_size)
        and older.sent_at // 60000 == newer.sent_at // 60000
    )


def reaction_marks(message: MessageSnapshot) -> list[dict[str, object]]:
    """The signs under a message as the view shows them, the earliest first."""
    marks: list[dict[str, object]] = []
    for it in message.reactions[:MAX_SHOWN_REACTIONS]:
        sign = texts.clean_name(it.emoji)[:16]
        others = it.count - it.mine
        if not it.mine:
            who = translate("messages", "%n person(s)", None, it.count)
        elif others:
            who = translate("messages", "You and %n other(s)", None, others)
        else:
            who = translate("messages", "You")
        marks.append(
            {
                "emoji": it.emoji,
                "sign": sign,
                "count": it.count,
                "mine": it.mine,
                "who": who,
            }
        )
    return marks


def poll_of(poll: PollSnapshot, now_ms: int) -> dict[str, object]:
    """A poll as the view shows it."""
    most = max((it.count for it in poll.options), default=0)
    closed = poll.closes_at is not None and poll.closes_at <= now_ms
    summary = [translate("messages", "%n vote(s)", None, poll.voters)]
    if closed:
        summary.append(translate("messages", "closed"))
    elif poll.closes_at is not None:
        ends = texts.full_time(poll.closes_at)
        summary.append(translate("messages", "open until {0}").format(ends))
    elif poll.multiple:
        summary.append(translate("messages", "several answers"))
    return {
        "multiple": poll.multiple,
        "closed": closed,
        "voted": any(it.mine for it in poll.options),
        "summary": " \u00b7 ".join(summary),
        "options": [
            {
                "text": texts.preview(it.text),
                "count": it.count,
                "mine": it.mine,
                "share": it.count / poll.voters if poll.voters else 0.0,
                "leads": it.count == most > 0,
            }
            for it in poll.options
        ],
    }


def _dressed(
    message: MessageSnapshot, shown: str, readable: bool, names: Mapping[str, str]
) -> tuple[str, bool, list[dict[str, str]]]:
    """The text to show, whether it is rich, and its pieces where one is not enough."""
    called = tuple(names[key] for key in message.mentions if key in names)
    if not readable:
        return shown, False, []
    if (called and "@" in shown) or markdown.may_have_marks(shown):
        found = markdown.blocks(shown, called)
        if len(found) == 1 and found[0].kind == "text":
            plain = found[0].body == texts.escaped(shown) and "<" not in found[0].body
            return (shown, False, []) if plain else (found[0].body, True, [])
        if found:
            pieces = [
                {
                    "kind": it.kind,
                    "body": it.body,
                    "plain": it.plain,
                    "language": it.language,
                }
                for it in found
            ]
            return shown, False, pieces
    rich = texts.has_link(shown)
    return texts.rich_text(shown, LINK_COLOUR) if rich else shown, rich, []


def _state(entry: Entry, device_count: int) -> tuple[str, str]:
    if not entry.message.mine:
        return "none", ""
    if entry.pending:
        return "sending", translate("messages", "Being stored")
    if entry.failure:
        return "failed", entry.failure
    delivered_to = entry.message.delivered_to
    state = "delivered" if delivered_to > 0 else "here"
    return state, texts.delivery(delivered_to, device_count)


def _quote(message: MessageSnapshot, quoted: MessageSnapshot | None) -> tuple[str, str]:
    if message.reply_to is None or message.deleted:
        return "", ""
    if quoted is not None:
        name = translate("messages", "You") if quoted.mine else quoted.author_name
        text = words(quoted)
    elif (reply := message.reply) is not None:
        name, text = reply.author_name, reply.text
        if reply.deleted:
            text = translate("messages", "Message deleted")
    else:
        name = text = ""
    if not text:
        return (
            translate("messages", "Reply"),
            translate("messages", "to an earlier message"),
        )
    return texts.clean_name(name), texts.preview(text)


def _time(message: MessageSnapshot) -> str:
    time = texts.clock_time(message.sent_at)
    edited = message.edited and not message.deleted
    return translate("messages", "{0} \u00b7 edited").format(time) if edited else time


def _thread(message: MessageSnapshot, open_thread: str) -> str:
    if open_thread or message.deleted or message.thread is None:
        return ""
    return message.thread


def _thread_size(message: MessageSnapshot) -> str:
    if not message.thread_size:
        return ""
    return translate("messages", "%n message(s) in thread", None, message.thread_size)


def _expiry(message: MessageSnapshot) -> str:
    if message.expires_at is None or message.deleted:
        return ""
    return translate("messages", "Disappears {0}").format(
        texts.full_time(message.expires_at)
    )


def _can_edit(entry: Entry) -> bool:
    message = entry.message
    return (
        message.mine
        and not message.deleted
        and entry.settled
        and message.kind == "message"
        and message.forwarded_from is None
    )
