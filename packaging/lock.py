"""Writes packaging/locks/*.txt from pyproject.toml: exact versions with hashes.

One file serves Linux, macOS and Windows on every supported Python: the resolver
works universally, so that what only one system needs carries a marker. No address
of a package index is recorded; a lock that holds one is refused.

It needs `uv` on the path or as a module (`python -m pip install uv`, in an
environment of its own). Run it after changing a dependency:

    python packaging/lock.py [--upgrade]

It leaves installing to `bootstrap.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = Path("packaging/locks")
OLDEST_PYTHON = "3.11"
HEADER = (
    "# Written by packaging/lock.py from pyproject.toml; change that instead.\n"
    "# python -m pip install --require-hashes -r {path}\n"
)

EXTRAS: dict[str, tuple[str, ...]] = {
    "dev": ("dev",),
    "package": ("package",),
    "run": (),
}
"""Lock name to the extras it holds; the widest comes first and binds the others."""


def resolver() -> list[str]:
    """Returns the command that starts uv.

    Raises:
        SystemExit: if there is none.
    """
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if found is None:
        raise SystemExit("lock.py needs uv: python -m pip install uv")
    return [found]


def compile_lock(name: str, *, constraint: Path | None, upgrade: bool) -> Path:
    """Resolves one lock and writes it.

    Args:
        name: the lock's name, a key of EXTRAS.
        constraint: a lock whose versions this one shares.
        upgrade: take newest versions instead of those of the present lock.

    Raises:
        SystemExit: if the result names a host.
    """
    path = LOCKS / f"{name}.txt"
    command = [
        *resolver(),
        *("pip", "compile", "--quiet", "--universal", "--generate-hashes"),
        *("--python-version", OLDEST_PYTHON),
        *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
        *("--output-file", str(path)),
        *(f"--extra={extra}" for extra in EXTRAS[name]),
        *(("--constraint", str(constraint)) if constraint else ()),
        *(("--upgrade",) if upgrade else ()),
        "pyproject.toml",
        str(LOCKS / "build.in"),
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    text = (ROOT / path).read_text(encoding="utf-8")
    if "://" in text:
        (ROOT / path).unlink()
        raise SystemExit(f"{path} would hold an address; nothing was written")
    body = HEADER.format(path=path.as_posix()) + text
    (ROOT / path).write_text(body, encoding="utf-8", newline="\n")
    return path


def main() -> None:
    """Writes every lock, the widest first, so that all agree on versions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true")
    options = parser.parse_args()
    widest: Path | None = None
    for name in EXTRAS:
        path = compile_lock(name, constraint=widest, upgrade=options.upgrade)
        widest = widest or path
        print(f"wrote {path.as_posix()}")


if __name__ == "__main__":
    main()
