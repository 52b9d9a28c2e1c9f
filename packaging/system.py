"""Finds the system's parts that Covey needs, and installs those that are missing.

Each need is checked by looking for the thing itself: a shared library by its name in
the loader's cache, a program on the path, a font file, a Python module. Only what is
missing is asked of `apt-get`. The tables name Debian's packages; on other Linuxes the
missing things are listed by name and left to the reader. Used by `bootstrap.py`;
standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WINDOW_LIBRARIES: dict[str, str] = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libbrotlidec.so.1": "libbrotli1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
}
"""What Qt's libraries and its X11 and Wayland plugins load, to its Debian package."""

SOUND_LIBRARIES: dict[str, str] = {"libportaudio.so.2": "libportaudio2"}
"""What voice needs, brought with the window so that it is asked for once."""

FONT_PACKAGES = ("fonts-dejavu-core", "fonts-noto-color-emoji")
FONT_SUFFIXES = {".ttf", ".otf", ".ttc"}

TEST_PROGRAMS: dict[str, str] = {
    "ip": "iproute2",
    "nft": "nftables",
    "setpriv": "util-linux",
    "tc": "iproute2",
}
"""What the tests in network namespaces call, to its Debian package."""

OLDEST_NODE = 18

QT_BINARIES = (
    "QtQuick.abi3.so",
    "QtQuickControls2.abi3.so",
    "QtNetwork.abi3.so",
    "QtSvg.abi3.so",
    "QtTest.abi3.so",
    "QtWidgets.abi3.so",
    "Qt/plugins/platforms/libqxcb.so",
    "Qt/plugins/platforms/libqoffscreen.so",
    "Qt/plugins/platforms/libqwayland.so",
    "Qt/plugins/xcbglintegrations/libqxcb-egl-integration.so",
    "Qt/plugins/xcbglintegrations/libqxcb-glx-integration.so",
    "Qt/plugins/imageformats/libqsvg.so",
)
"""Inside the PySide6 package: what Covey's window loads."""

LDCONFIG_PATHS = ("/sbin/ldconfig", "/usr/sbin/ldconfig")
SBIN_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


class SetupError(Exception):
    """A step of the set-up failed; the text is for the person at the keyboard."""


class Need(NamedTuple):
    """One thing the system lacks."""

    thing: str
    """Its own name, such as libEGL.so.1."""

    package: str
    """The Debian package that brings it."""

    optional: bool = False
    """Whether Covey goes on without it."""


# ------------------------------------------------------------------- looking


def loader_cache() -> set[str]:
    """Returns the names of all shared libraries the loader knows."""
    for path in LDCONFIG_PATHS:
        if os.path.exists(path):
            listing = subprocess.run(
                [path, "-p"], capture_output=True, text=True, check=False
            ).stdout
            return set(re.findall(r"^\t(\S+) \(", listing, re.MULTILINE))
    return set()


def find_program(name: str) -> str | None:
    """Finds a program, also in the folders that only root's path has."""
    folders = os.pathsep.join((os.environ.get("PATH", ""), *SBIN_FOLDERS))
    return shutil.which(name, path=folders)


def find_node() -> str | None:
    """Returns the path of a Node that is new enough, or None."""
    node = shutil.which("node")
    if node is None:
        return None
    answer = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    ).stdout
    match = re.match(r"v(\d+)\.", answer)
    return node if match and int(match[1]) >= OLDEST_NODE else None


def has_fonts() -> bool:
    """Tells whether Covey brings fonts, or this system has any."""
    home = Path.home()
    folders = (
        Path(__file__).resolve().parent.parent / "assets" / "fonts",
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local/share/fonts",
        home / ".fonts",
    )
    return any(
        Path(name).suffix.lower() in FONT_SUFFIXES
        for folder in folders
        for _, _, names in os.walk(folder)
        for name in names
    )


def window_needs() -> Iterator[Need]:
    """Yields what the window lacks."""
    cache = loader_cache()
    if not cache:
        return
    for library, package in WINDOW_LIBRARIES.items():
        if library not in cache:
            yield Need(library, package)
    for library, package in SOUND_LIBRARIES.items():
        if library not in cache:
            yield Need(library, package, optional=True)
    if not has_fonts():
        for package in FONT_PACKAGES:
            yield Need("fonts", package, optional=True)


def test_needs() -> Iterator[Need]:
    """Yields what the tests lack."""
    for program, package in TEST_PROGRAMS.items():
        if find_program(program) is None:
            yield Need(program, package, optional=True)
    if find_node() is None:
        yield Need("node", "nodejs", optional=True)
    if shutil.which("npm") is None:
        yield Need("npm", "npm", optional=True)


def venv_needs() -> Iterator[Need]:
    """Yields what Python lacks to make a virtual environment."""
    if importlib.util.find_spec("ensurepip") is None:
        minor = sys.version_info[1]
        own = "/usr/bin/python3"
        is_default = os.path.realpath(own) == os.path.realpath(sys.executable)
        package = "python3-venv" if is_default else f"python3.{minor}-venv"
        yield Need("Python's venv", package)


def package_needs() -> Iterator[Need]:
    """Yields what the packager lacks: it reads binaries, and takes Python along."""
    if shutil.which("objdump") is None:
        yield Need("objdump", "binutils")
    version = f"python3.{sys.version_info[1]}"
    library = f"lib{version}.so.1.0"
    is_systems = os.path.realpath(sys.executable) == f"/usr/bin/{version}"
    if is_systems and library not in loader_cache():
        yield Need(library, f"lib{version}")


def missing(purpose: str) -> list[Need]:
    """Returns what this Linux lacks for a purpose, without repeats."""
    needs = list(venv_needs())
    if purpose != "venv":
        needs += window_needs()
    if purpose == "test":
        needs += test_needs()
    if purpose == "package":
        needs += package_needs()
    return needs


# ---------------------------------------------------------------- installing


def privilege() -> list[str] | None:
    """Returns the words that make a command run as root, or None if none do."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    allowed = subprocess.run(
        [sudo, "-n", "true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return [sudo, "-n"] if allowed.returncode == 0 else None


def apt_install(packages: list[str], *, root: list[str]) -> bool:
    """Installs Debian packages; a stale or missing list of packages is renewed.

    Args:
        packages: their names.
        root: the words that make a command run as root.

    Returns:
        Whether all are installed.
    """
    install = [
        *root,
        *("env", "DEBIAN_FRONTEND=noninteractive"),
        *("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages),
    ]
    first = subprocess.run(install, capture_output=True, text=True, check=False)
    if first.returncode == 0:
        return True
    subprocess.run(
        [*root, "apt-get", "update", "-q"], stdout=subprocess.DEVNULL, check=False
    )
    second = subprocess.run(install, capture_output=True, text=True, check=False)
    if second.returncode != 0:
        sys.stderr.write(second.stderr)
    return second.returncode == 0


def ensure_packages(purpose: str, *, insist: bool) -> None:
    """Installs what the system lacks for a purpose; does nothing when all is there.

    Args:
        purpose: one of bootstrap's purposes.
        insist: treat optional things as needed.

    Raises:
        SetupError: if something needed is missing and cannot be installed here; its
            text holds the one line to type.
    """
    if not sys.platform.startswith("linux"):
        return
    needs = missing(purpose)
    if not needs:
        return
    things = ", ".join(sorted({need.thing for need in needs}))
    packages = sorted({need.package for need in needs})
    must = sorted({need.package for need in needs if insist or not need.optional})
    if shutil.which("apt-get") is None:
        report_foreign_system(needs, insist=insist)
        return
    line = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    root = privilege()
    if root is None:
        sentence = f"This system lacks {things}. Type this, then try again:"
        text = f"{sentence}\n    sudo {line}"
        if must:
            raise SetupError(text)
        print(f"{text}\nCovey goes on without.", flush=True)
        return
    print(f"This system lacks {things}. Installing: {' '.join(packages)}", flush=True)
    if apt_install(packages, root=root):
        return
    if must and not apt_install(must, root=root):
        raise SetupError(f"That failed. Try by hand:\n    {line}")
    optional = " ".join(name for name in packages if name not in must)
    print(f"Not installed, and not needed to start: {optional}", flush=True)


def report_foreign_system(needs: list[Need], *, insist: bool) -> None:
    """Names what is missing on a Linux without apt-get.

    Raises:
        SetupError: if something needed is among it.
    """
    things = ", ".join(sorted({need.thing for need in needs}))
    text = f"This system lacks {things}; please install them with its own packages."
    if any(insist or not need.optional for need in needs):
        raise SetupError(text)
    print(f"{text} Covey goes on without.", flush=True)


# ------------------------------------------------------------------ verifying


def unresolved_libraries(binary: Path) -> set[str]:
    """Asks the loader which libraries a binary would miss."""
    listing = subprocess.run(
        ["ldd", str(binary)], capture_output=True, text=True, check=False
    ).stdout
    return set(re.findall(r"^\t(\S+) => not found", listing, re.MULTILINE))


def verify_window_libraries(venv: Path) -> None:
    """Makes sure that what the installed Qt loads is really there, once.

    The tables above are knowledge; this is the check that they are complete for the
    Qt that was installed. Its outcome is remembered until Qt changes.

    Raises:
        SetupError: if a library is missing that no table names.
    """
    if not sys.platform.startswith("linux") or shutil.which("ldd") is None:
        return
    pattern = "lib/python3*/site-packages/PySide6/__init__.py"
    found = next(iter(venv.glob(pattern)), None)
    if found is None:
        raise SetupError("The virtual environment holds no PySide6; remove .venv.")
    remembered = venv / "covey-window-libraries"
    state = str(found.stat().st_mtime_ns)
    if remembered.exists() and remembered.read_text(encoding="utf-8") == state:
        return
    absent: set[str] = set()
    for name in QT_BINARIES:
        absent |= unresolved_libraries(found.parent / name)
    if absent:
        names = ", ".join(sorted(absent))
        raise SetupError(f"Qt needs libraries that this system lacks: {names}.")
    remembered.write_text(state, encoding="utf-8")
