"""Makes dist/covey, a folder that runs Covey without Python, and tries it once.

Run by the Python of .venv, after `bootstrap.py package`; the result is for the system
and processor it is made on. `freeze.spec` says what goes in, `smoke.py` tries it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "dist" / "covey"


def program() -> Path:
    """Returns the program inside the folder."""
    return FOLDER / ("covey.exe" if sys.platform == "win32" else "covey")


def folder_bytes() -> int:
    """Returns the size of everything in the folder."""
    files = (path for path in FOLDER.rglob("*") if not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.is_file())


def main() -> int:
    """Builds and tries; returns the exit status."""
    freeze = [
        *(sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(ROOT / "dist"), "--workpath", str(ROOT / "build")),
        str(ROOT / "packaging" / "freeze.spec"),
    ]
    if subprocess.call(freeze, cwd=ROOT) != 0:
        print("PyInstaller failed, see above.")
        return 1
    print(f"dist/covey holds {folder_bytes() / 1e6:.0f} MB; trying it.", flush=True)
    smoke = [sys.executable, str(ROOT / "packaging" / "smoke.py"), str(program())]
    return subprocess.call(smoke, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
