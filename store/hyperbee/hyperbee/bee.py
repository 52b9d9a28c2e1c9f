"""``Hyperbee``: a sorted map from keys to values in a log.

The face of the package: everything that decides is in the modules beside this one's
package, without an event loop. Follows npm hyperbee 2.27.3 ``index.js``.
"""

from __future__ import annotations

from inspect import iscoroutine
from typing import Any

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee.blocks import PROTOCOL, Block, decode_header
from store.hyperbee.editor import Accept, Editor
from store.hyperbee.encoding import Codec, KeySpace, codec
from store.hyperbee.hyperbee.batch import Batch, Compare
from store.hyperbee.hyperbee.trunk import Trunk
from store.hyperbee.hyperbee.unlinked import clear_unlinked
from store.hyperbee.hyperbee.view import View
from store.hyperbee.hyperbee.watching import EntryWatcher, Watcher
from store.hyperbee.hyperbee.writing import Edit
from store.hyperbee.records import Entry, Log, Metadata, Steps


class Hyperbee(View):
    """A sorted map in a log: put, get, delete, walk, look back, compare, watch.

    Writes are serialised; each returns when it is durable. A ``cas`` is asked when the
    key exists already, is given the entry there and the new one, and says whether to
    write. Besides the errors of ``View``, writes raise ``LocalProtocolError`` with code
    ``not-writable``, ``not-a-bee`` or ``write-failed`` and whatever the log's append
    raises.

    Args:
        core: The log; it stays open when the bee is closed. One bee at a time writes
            to it, with its parts.
        key_encoding: ``binary``, ``utf-8``, ``ascii``, ``hex``, ``json``, ``ndjson`` or
            a codec. With a ``SubEncoder`` open ranges end with its prefix.
        value_encoding: The same for values.
        sep: Stands between a part's prefix and its keys.
        metadata: Goes into the header when the bee's first write makes it.
        always_duplicate: Whether a put writes even what is there already.
        read_only: Whether to refuse writes although the log could take them.
        extension: Whether to exchange hints with peers.
    """

    def __init__(
        self,
        core: Log,
        *,
        key_encoding: str | Codec = "binary",
        value_encoding: str | Codec = "binary",
        sep: str | bytes = b"\0",
        metadata: Metadata | None = None,
        always_duplicate: bool = True,
        read_only: bool = False,
        extension: bool = True,
    ) -> None:
        super().__init__(
            Trunk(core, metadata=metadata, extension=extension),
            core,
            version=None,
            keys=KeySpace(key_encoding),
            values=codec(value_encoding),
            separator=sep.encode() if isinstance(sep, str) else sep,
        )
        self._is_part = False
        self._always_duplicate = always_duplicate
        self._read_only = read_only

    @property
    def writable(self) -> bool:
        """Whether it can be changed here."""
        return self._log.writable and not self._read_only

    @staticmethod
    async def is_hyperbee(
        core: Log, *, wait: bool = True, timeout_s: float | None = None
    ) -> bool:
        """Tells whether a log begins as a bee does.

        Raises:
            LocalProtocolError: Its first block is not here and must not be waited for.
        """
        data = await core.get(0, wait=wait, timeout_s=timeout_s)
        if data is None:
            raise LocalProtocolError("the header is not here", code="block-missing")
        try:
            return decode_header(data).protocol == PROTOCOL
        except RemoteProtocolError:
            return False

    async def put(
        self, key: Any, value: Any = None, *, cas: Compare | None = None
    ) -> int | None:
        """Set a key's value.

        Returns:
            The number of its block, or None when it was not written: ``cas`` refused,
            or the value is there already and ``always_duplicate`` is off.
        """
        _, _, edit = self._put_edit(key, value, cas)
        return await self._trunk.writer.write(edit)

    async def delete(self, key: Any, *, cas: Compare | None = None) -> int | None:
        """Remove a key.

        Returns:
            The number of the block that says so, or None: ``cas`` refused, or there is
            no such key.
        """
        _, _, edit = self._delete_edit(key, cas)
        return await self._trunk.writer.write(edit)

    def batch(self) -> Batch:
        """Many writes that happen all or not at all; use it with ``async with``."""
        self._check_writable()
        return Batch(self, self._trunk.writer)

    def sub(
        self,
        prefix: str | bytes,
        *,
        sep: str | bytes | None = None,
        key_encoding: str | Codec | None = None,
        value_encoding: str | Codec | None = None,
    ) -> Hyperbee:
        """The part whose stored keys begin with a prefix and the separator.

        It shares everything with this bee and needs no closing.
        """
        part = Hyperbee.__new__(Hyperbee)
        View.__init__(
            part,
            self._trunk,
            self._log,
            version=None,
            keys=self._sub_keys(prefix, sep, key_encoding),
            values=self._values if value_encoding is None else codec(value_encoding),
            separator=self._separator,
        )
        part._is_part = True
        part._always_duplicate = self._always_duplicate
        part._read_only = self._read_only
        return part

    def watch(
        self,
        *,
        gt: Any = None,
        gte: Any = None,
        lt: Any = None,
        lte: Any = None,
    ) -> Watcher:
        """Pairs of snapshots, the present and the one before, at every change.

        Changes outside the range go unnoticed, and several at once count as one. Each
        pair is closed when the next is asked for. Watching begins at once.
        """
        return Watcher(self, self._trunk, {"gt": gt, "gte": gte, "lt": lt, "lte": lte})

    async def get_and_watch(self, key: Any) -> EntryWatcher:
        """An entry that keeps up to date; close it in the end."""
        watcher = EntryWatcher(self, self._trunk, key)
        await watcher.start()
        return watcher

    async def clear_unlinked(self) -> int:
        """Forget local blocks that the present version does not need.

        Older versions can be read afterwards only as far as they share blocks with it,
        or peers have them.

        Returns:
            How many blocks were cleared.
        """
        version = await self._refresh()
        reader = self._trunk.walker(self._log, wait=True, timeout_s=None)
        try:
            return await clear_unlinked(self._log, reader, version)
        finally:
            reader.stop()

    async def close(self) -> None:
        """Finish what is being written and end watchers; the log stays open.

        A part has nothing to close.
        """
        if not self._is_part:
            await self._trunk.close()

    async def __aenter__(self) -> Hyperbee:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _check_writable(self) -> None:
        if self._read_only:
            raise LocalProtocolError(
                "the bee was opened for reading only", code="not-writable"
            )

    def _put_edit(
        self, key: Any, value: Any, cas: Compare | None
    ) -> tuple[bytes, bytes | None, Edit]:
        self._check_writable()
        encoded = self._keys.encode(key)
        data = None if value is None else self._values.encode(value)
        if cas is None and self._always_duplicate:
            return encoded, data, lambda editor: editor.put(encoded, data)

        def edit(editor: Editor) -> Steps[int | None]:
            accept = self._accept(cas, Entry(editor.length, key, value), data)
            return editor.put(encoded, data, accept)

        return encoded, data, edit

    def _delete_edit(
        self, key: Any, cas: Compare | None
    ) -> tuple[bytes, bytes | None, Edit]:
        self._check_writable()
        encoded = self._keys.encode(key)

        def edit(editor: Editor) -> Steps[int | None]:
            if cas is None:
                return editor.delete(encoded)
            following = Entry(editor.length, key, None)
            return editor.delete(
                encoded, lambda block: _agrees(cas, self._entry(block), following)
            )

        return encoded, None, edit

    def _accept(
        self, cas: Compare | None, following: Entry, data: bytes | None
    ) -> Accept:
        def accept(block: Block) -> bool:
            if cas is not None and not _agrees(cas, self._entry(block), following):
                return False
            return self._always_duplicate or block.value != data

        return accept


def _agrees(cas: Compare, previous: Entry, following: Entry) -> bool:
    verdict: object = cas(previous, following)
    if iscoroutine(verdict):
        # It would count as a yes.
        verdict.close()
        raise LocalProtocolError(
            "cas is asked and answers at once", code="bad-argument"
        )
    return bool(verdict)
