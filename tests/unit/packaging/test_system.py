"""What a system lacks is found by looking, and asked for in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.packaging.scripts import load

LDCONFIG = """\
2 libs found in cache `/etc/ld.so.cache'
\tlibEGL.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libEGL.so.1
\tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1
"""

LDD = """\
\tlinux-vdso.so.1 (0x00007ffc)
\tlibGL.so.1 => not found
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)
\tlibGL.so.1 => not found
"""


class Machine:
    """An invented system: what it has, and what was run on it."""

    def __init__(self) -> None:
        self.programs = {"apt-get", "ldd", "ip", "nft", "setpriv", "tc", "npm"}
        self.is_root = True
        self.sudo_works = False
        self.apt_works_after_update = False
        self.apt_status = 0
        self.ran: list[str] = []

    def run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        line = " ".join(command)
        self.ran.append(line)
        status, out = 0, ""
        if "ldconfig" in line:
            out = LDCONFIG
        elif line.startswith("ldd"):
            out = LDD
        elif line.endswith("sudo -n true"):
            status = 0 if self.sudo_works else 1
        elif "apt-get update" in line:
            if self.apt_works_after_update:
                self.apt_status = 0
        elif "apt-get install" in line:
            status = self.apt_status
        return subprocess.CompletedProcess(command, status, stdout=out, stderr="no")

    def installs(self) -> list[str]:
        return [line for line in self.ran if "apt-get install" in line]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> ModuleType:
    module = load("system")
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module.subprocess, "run", machine.run)
    monkeypatch.setattr(
        module.shutil,
        "which",
        lambda name, **_: f"/bin/{name}" if name in machine.programs else None,
    )
    monkeypatch.setattr(module.os, "geteuid", lambda: 0 if machine.is_root else 1000)
    monkeypatch.setattr(module.os.path, "exists", lambda path: "ldconfig" in str(path))
    monkeypatch.setattr(module, "has_fonts", lambda: True)
    monkeypatch.setattr(module, "find_node", lambda: "/bin/node")
    monkeypatch.setattr(module, "venv_needs", lambda: iter(()))
    return module


def test_libraries_that_are_there_are_not_asked_for(system: ModuleType) -> None:
    assert system.loader_cache() == {"libEGL.so.1", "libz.so.1"}
    asked = {need.thing for need in system.missing("run")}
    assert "libGL.so.1" in asked
    assert not asked & {"libEGL.so.1", "libz.so.1"}


def test_an_environment_alone_needs_no_libraries(system: ModuleType) -> None:
    assert system.missing("venv") == []


def test_nothing_missing_runs_nothing(
    system: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {*system.WINDOW_LIBRARIES, *system.SOUND_LIBRARIES}
    monkeypatch.setattr(system, "loader_cache", lambda: everything)
    system.ensure_packages("test", insist=True)
    assert machine.installs() == []


def test_root_installs_what_is_missing_in_one_go(
    system: ModuleType, machine: Machine
) -> None:
    system.ensure_packages("run", insist=False)
    (line,) = machine.installs()
    assert line.startswith("env DEBIAN_FRONTEND=noninteractive apt-get install")
    assert " libgl1 " in line
    assert " libegl1 " not in line


def test_an_old_list_of_packages_is_renewed_once(
    system: ModuleType, machine: Machine
) -> None:
    machine.apt_status, machine.apt_works_after_update = 100, True
    system.ensure_packages("run", insist=False)
    assert len(machine.installs()) == 2


def test_sudo_without_password_is_used(system: ModuleType, machine: Machine) -> None:
    machine.is_root, machine.sudo_works = False, True
    machine.programs.add("sudo")
    system.ensure_packages("run", insist=False)
    assert machine.installs()[0].startswith("/bin/sudo -n env")


@pytest.mark.parametrize("has_sudo", [True, False])
def test_without_rights_one_line_is_told(
    system: ModuleType, machine: Machine, has_sudo: bool
) -> None:
    machine.is_root = False
    if has_sudo:
        machine.programs.add("sudo")
    with pytest.raises(system.SetupError) as caught:
        system.ensure_packages("run", insist=False)
    lines = [line for line in str(caught.value).splitlines() if "apt-get" in line]
    assert len(lines) == 1
    assert lines[0].strip().startswith("sudo apt-get install -y ")
    assert machine.installs() == []


def test_optional_things_stop_nobody_but_ci(
    system: ModuleType,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine.is_root = False
    monkeypatch.setattr(
        system, "missing", lambda _: [system.Need("node", "nodejs", optional=True)]
    )
    system.ensure_packages("test", insist=False)
    assert "Covey goes on without" in capsys.readouterr().out
    with pytest.raises(system.SetupError):
        system.ensure_packages("test", insist=True)


def test_other_linuxes_are_told_the_names(system: ModuleType, machine: Machine) -> None:
    machine.programs.remove("apt-get")
    with pytest.raises(system.SetupError, match=r"lacks .*libGL\.so\.1"):
        system.ensure_packages("run", insist=False)


def test_a_library_no_table_names_is_found_by_the_loader(
    system: ModuleType, tmp_path: Path
) -> None:
    package = tmp_path / "lib" / "python3.11" / "site-packages" / "PySide6"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    with pytest.raises(system.SetupError, match=r"libGL\.so\.1\."):
        system.verify_window_libraries(tmp_path)


def test_other_systems_are_left_alone(
    system: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system.sys, "platform", "darwin")
    system.ensure_packages("test", insist=True)
    assert machine.ran == []
