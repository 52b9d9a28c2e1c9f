"""The list model that the others build on: frozen rows, named roles, small changes.

A row is a frozen dataclass; every field is a role of the same name. Subclasses decide
what the rows are and in which order; this one tells the views which of them changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

from PySide6.QtCore import (
    Property,
    QAbstractListModel,
    QByteArray,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

Row = TypeVar("Row")

_FIRST_ROLE = int(Qt.ItemDataRole.UserRole) + 1
_NO_PARENT = QModelIndex()


class RowModel(QAbstractListModel, Generic[Row]):
    """A list of frozen rows whose fields are the roles.

    Signals:
        countChanged: The number of rows changed.
    """

    countChanged = Signal()

    def __init__(self, row_type: type[Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names = [field.name for field in fields(row_type)]
        self._roles = {
            _FIRST_ROLE + number: QByteArray(name.encode())
            for number, name in enumerate(self._names)
        }
        self._rows: list[Row] = []

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NO_PARENT) -> int:
        """How many rows there are."""
        return 0 if parent.isValid() else len(self._rows)

    def data(
        self,
        index: QModelIndex | QPersistentModelIndex,
        role: int = int(Qt.ItemDataRole.DisplayRole),
    ) -> Any:
        """One field of one row; None for what does not exist."""
        number = role - _FIRST_ROLE
        if not index.isValid() or not 0 <= number < len(self._names):
            return None
        return getattr(self._rows[index.row()], self._names[number])

    def roleNames(self) -> dict[int, QByteArray]:
        """The roles by the names that QML uses."""
        return self._roles

    def _count(self) -> int:
        return len(self._rows)

    count = Property(int, _count, notify=countChanged)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows as they are now."""
        return self._rows

    def replace_all(self, rows: list[Row]) -> None:
        """Show other rows; views forget their position."""
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()
        self.countChanged.emit()

    def insert(self, at: int, rows: list[Row]) -> None:
        """Put rows in before the row with this number."""
        assert 0 <= at <= len(self._rows)
        if not rows:
            return
        self.beginInsertRows(_NO_PARENT, at, at + len(rows) - 1)
        self._rows[at:at] = rows
        self.endInsertRows()
        self.countChanged.emit()

    def remove(self, at: int, count: int = 1) -> None:
        """Take rows out."""
        assert at >= 0
        assert at + count <= len(self._rows)
        if count <= 0:
            return
        self.beginRemoveRows(_NO_PARENT, at, at + count - 1)
        del self._rows[at : at + count]
        self.endRemoveRows()
        self.countChanged.emit()

    def put(self, at: int, row: Row) -> None:
        """Change one row in place; tells nobody when it is the same."""
        if self._rows[at] != row:
            self._rows[at] = row
            index = self.index(at, 0)
            self.dataChanged.emit(index, index)

    def move(self, start: int, end: int) -> None:
        """Move a row so that it has the number ``end`` afterwards."""
        if start == end:
            return
        before = end if end < start else end + 1
        self.beginMoveRows(_NO_PARENT, start, start, _NO_PARENT, before)
        self._rows.insert(end, self._rows.pop(start))
        self.endMoveRows()
