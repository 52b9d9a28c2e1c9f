"""What clients say in a room, what they change of it, and what they read."""

from app.rooms.conversation.conversation import Conversation
from app.rooms.conversation.words import MAX_DELETED_AT_ONCE, MAX_HISTORY_BYTES

__all__ = ["MAX_DELETED_AT_ONCE", "MAX_HISTORY_BYTES", "Conversation"]
