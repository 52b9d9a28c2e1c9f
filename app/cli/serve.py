"""``covey serve``: a core in the foreground, for bots and for other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from app.cli.entry import Context, run_loop
from app.cli.output import warn
from app.core import CoreOptions, failure, run_core
from app.errors import UserFacingError
from app.faults import Explained, explain
from app.paths import MAX_PASSPHRASE_BYTES

MAX_LINE_BYTES = MAX_PASSPHRASE_BYTES + 1


def run(context: Context) -> int:
    """Serve until SIGTERM; a launched core tells its failure as an object."""
    arguments = context.arguments
    try:
        passphrase = (
            sys.stdin.buffer.readline(MAX_LINE_BYTES).rstrip(b"\n").decode()
            if arguments.passphrase_stdin
            else context.passphrase()
        )
        options = CoreOptions(
            folder=context.profile,
            bootstrap=context.bootstrap,
            passphrase=passphrase,
            until_idle=arguments.until_idle,
            log_level=context.log_level or "info",
        )

        def ready(warning: str) -> None:
            if warning and not arguments.launched:
                warn(warning)
            context.output.put(
                {"event": "ready", "profile": str(context.profile)},
                f"Serving the profile in {context.profile}.",
            )

        return run_loop(_serve(options, ready))
    except UserFacingError as error:
        return _fail(error, launched=arguments.launched)
    except Explained as error:
        return _fail(explain(error), launched=arguments.launched)


async def _serve(options: CoreOptions, ready: Callable[[str], None]) -> int:
    await run_core(options, ready)
    return 0


def _fail(error: UserFacingError, *, launched: bool) -> int:
    if launched:
        sys.stdout.write(json.dumps(failure(error)) + "\n")
        sys.stdout.flush()
    else:
        warn(error.sentence)
    return 1
