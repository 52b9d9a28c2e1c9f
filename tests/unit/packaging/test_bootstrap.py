"""Setting up does what is needed, once, and finds what went stale."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.packaging.scripts import load


class Recorder:
    """Records which steps the set-up took."""

    def __init__(self, venv: Path) -> None:
        self.venv = venv
        self.steps: list[str] = []

    def create_venv(self, *, anew: bool) -> bool:
        python = self.venv / "bin" / "python"
        if python.exists() and not anew:
            return False
        self.steps.append("anew" if anew else "venv")
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        return True

    def pip(self, *arguments: str) -> None:
        self.steps.append(arguments[-1].rpartition("/")[2])

    def taken(self) -> list[str]:
        steps, self.steps = self.steps, []
        return steps


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / ".venv")


@pytest.fixture
def bootstrap(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    module = load("bootstrap")
    locks = tmp_path / "packaging" / "locks"
    locks.mkdir(parents=True)
    for name in ("run", "dev", "package"):
        (locks / f"{name}.txt").write_text(f"{name} 1")
    (tmp_path / "pyproject.toml").write_text("[project]")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", recorder.venv)
    monkeypatch.setattr(module, "STAMP", recorder.venv / "covey-stamp.json")
    monkeypatch.setattr(module, "venv_python", lambda: recorder.venv / "bin/python")
    monkeypatch.setattr(module, "create_venv", recorder.create_venv)
    monkeypatch.setattr(module, "pip", recorder.pip)
    return module


def test_the_second_run_does_nothing(bootstrap: ModuleType, recorder: Recorder) -> None:
    bootstrap.ensure_venv("run")
    assert recorder.taken() == ["venv", "run.txt", "."]
    bootstrap.ensure_venv("run")
    bootstrap.ensure_venv("venv")
    assert recorder.taken() == []


def test_the_tests_bring_what_running_needs(
    bootstrap: ModuleType, recorder: Recorder
) -> None:
    bootstrap.ensure_venv("test")
    assert recorder.taken() == ["venv", "dev.txt", "."]
    bootstrap.ensure_venv("run")
    assert recorder.taken() == []


def test_what_one_purpose_brought_is_remembered(
    bootstrap: ModuleType, recorder: Recorder
) -> None:
    bootstrap.ensure_venv("test")
    bootstrap.ensure_venv("package")
    recorder.taken()
    bootstrap.ensure_venv("test")
    bootstrap.ensure_venv("package")
    assert recorder.taken() == []


def test_a_changed_lock_is_installed(
    bootstrap: ModuleType, recorder: Recorder, tmp_path: Path
) -> None:
    bootstrap.ensure_venv("run")
    recorder.taken()
    (tmp_path / "packaging/locks/run.txt").write_text("run 2")
    bootstrap.ensure_venv("run")
    assert recorder.taken() == ["run.txt", "."]


def test_a_changed_project_file_installs_only_the_project(
    bootstrap: ModuleType, recorder: Recorder, tmp_path: Path
) -> None:
    bootstrap.ensure_venv("run")
    recorder.taken()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'")
    bootstrap.ensure_venv("run")
    assert recorder.taken() == ["."]


def test_a_broken_off_set_up_is_repeated(
    bootstrap: ModuleType, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: str) -> None:
        raise SystemExit("no network")

    with monkeypatch.context() as broken:
        broken.setattr(bootstrap, "pip", fail)
        with pytest.raises(SystemExit):
            bootstrap.ensure_venv("run")
    recorder.taken()
    bootstrap.ensure_venv("run")
    assert recorder.taken() == ["run.txt", "."]


def test_a_copied_folder_gets_an_environment_of_its_own(
    bootstrap: ModuleType, recorder: Recorder
) -> None:
    bootstrap.ensure_venv("run")
    recorder.taken()
    stamp = bootstrap.STAMP
    stamp.write_text(stamp.read_text().replace(str(bootstrap.ROOT), "elsewhere"))
    bootstrap.ensure_venv("run")
    assert recorder.taken() == ["anew", "run.txt", "."]


def test_missing_peers_stop_only_ci(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bootstrap, "ensure_npm_peers", lambda _: "there is no Node")
    monkeypatch.delenv("CI", raising=False)
    bootstrap.ensure_test_tools()
    assert "skipped: there is no Node" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit, match="must run in CI"):
        bootstrap.ensure_test_tools()
