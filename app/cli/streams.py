"""The commands that need no profile: nodes, and streams between keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import Any

from app.cli.entry import Context
from app.cli.output import warn
from app.errors import UserFacingError

CHUNK_BYTES = 64 * 1024
KEY_BYTES = 32


async def run(context: Context) -> int:
    """Run ``dht``, ``net listen`` or ``net connect``."""
    if getattr(context.arguments, "relay_through", None):
        raise UserFacingError(
            "unsupported", "This version cannot yet connect through a relay."
        )
    if context.arguments.command == "dht":
        await _dht(context)
    elif context.arguments.action == "listen":
        await _listen(context)
    else:
        await _connect(context)
    return 0


async def _dht(context: Context) -> None:
    from app.swarm import bootstrap_nodes
    from net import DHT

    arguments = context.arguments
    if arguments.isolated:
        node = DHT.bootstrapper(arguments.port, arguments.host or "127.0.0.1")
    else:
        node = DHT(
            bootstrap_nodes(context.bootstrap),
            port=arguments.port,
            host=arguments.host or "0.0.0.0",
            ephemeral=False,
        )
    async with node:
        host, port = node.address()
        context.output.put(
            {"event": "ready", "host": host, "port": port},
            f"A node of the network at {host}:{port}.",
        )
        await _until_terminated()


async def _listen(context: Context) -> None:
    from net import KeyPair

    arguments = context.arguments
    seed = os.urandom(KEY_BYTES)
    if arguments.seed is not None:
        seed = _hex_key(arguments.seed, "seed")
    async with _node(context) as node:
        server = node.create_server()
        await server.listen(KeyPair.from_seed(seed))
        key = server.public_key.hex()
        context.output.put(
            {"event": "listening", "publicKey": key}, f"Listening as {key}."
        )
        serving = asyncio.create_task(
            _echo_all(server) if arguments.echo else _serve_one(server)
        )
        over = asyncio.create_task(_until_terminated())
        done, _ = await asyncio.wait(
            (serving, over), return_when=asyncio.FIRST_COMPLETED
        )
        for task in (serving, over):
            task.cancel()
        await asyncio.gather(serving, over, return_exceptions=True)
        if serving in done:
            serving.result()


async def _connect(context: Context) -> None:
    key = _hex_key(context.arguments.public_key, "public key")
    async with _node(context) as node:
        started = time.monotonic()
        connection = await node.connect(key)
        elapsed_ms = (time.monotonic() - started) * 1000
        if context.output.json:
            host, port = connection.remote_address
            context.output.put(
                {
                    "event": "open",
                    "path": str(connection.path),
                    "ms": round(elapsed_ms, 2),
                    "remoteAddress": f"{host}:{port}",
                },
                "",
            )
        await _pipe(connection)


async def _serve_one(server: Any) -> None:
    """Join the first stream with stdin and stdout."""
    async for connection in server:
        await _pipe(connection)
        return


async def _echo_all(server: Any) -> None:
    """Send back what every stream brings, until it ends."""
    tasks: set[asyncio.Task[None]] = set()
    try:
        async for connection in server:
            task = asyncio.create_task(_echo(connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _echo(connection: Any) -> None:
    from net.errors import NetError

    try:
        async for chunk in connection:
            await connection.write(chunk)
        await connection.close()
    except NetError as error:
        warn(f"A stream broke: {error}.")


async def _pipe(connection: Any) -> None:
    """Stdin into the stream and the stream to stdout, until both sides ended."""
    sending = asyncio.create_task(_send_stdin(connection))
    try:
        async for chunk in connection:
            await asyncio.to_thread(_write_stdout, chunk)
        await sending
        await connection.close()
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def _send_stdin(connection: Any) -> None:
    while chunk := await asyncio.to_thread(os.read, sys.stdin.fileno(), CHUNK_BYTES):
        await connection.write(chunk)
    connection.end()


def _write_stdout(chunk: bytes) -> None:
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


async def _until_terminated() -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, over.set)
    await over.wait()


def _node(context: Context) -> Any:
    """A node of this command's own, on any port."""
    from app.swarm import bootstrap_nodes, local_host
    from net import DHT

    bootstrap = bootstrap_nodes(context.bootstrap)
    return DHT(bootstrap, port=0, host=local_host(bootstrap))


def _hex_key(text: str, what: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UserFacingError(
            "bad-key", f"The {what} is not {2 * KEY_BYTES} hex digits."
        )
    return key


def ready_line(line: bytes) -> dict[str, Any]:
    """What a started program said first; empty when it said nothing sensible."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
