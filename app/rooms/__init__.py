"""What a room means: logs, members, invitations, messages."""
