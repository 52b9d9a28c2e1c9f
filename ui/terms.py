"""Words for ranks, moments and lengths of time, through Qt's translator."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

from ui.format import clean_name

translate = QCoreApplication.translate


def role_name(role: str) -> str:
    """A member's rank in words; unknown ones as they are called."""
    names = {
        "owner": translate("terms", "Owner"),
        "admin": translate("terms", "Admin"),
        "moderator": translate("terms", "Moderator"),
        "member": translate("terms", "Member"),
        "reader": translate("terms", "Reader"),
    }
    return names.get(role) or clean_name(role)


def moment(at_ms: int) -> str:
    """Day and time for people, such as ``2 Nov 2026 14:05``."""
    return QLocale().toString(
        QDateTime.fromMSecsSinceEpoch(at_ms), QLocale.FormatType.ShortFormat
    )


def duration(length_ms: int) -> str:
    """A length of time in its largest whole unit, such as ``4 weeks``."""
    days = length_ms // 86_400_000
    if days and days % 365 == 0:
        return translate("terms", "%n year(s)", None, days // 365)
    if days and days % 7 == 0:
        return translate("terms", "%n week(s)", None, days // 7)
    if days:
        return translate("terms", "%n day(s)", None, days)
    return translate("terms", "%n hour(s)", None, max(1, length_ms // 3_600_000))
