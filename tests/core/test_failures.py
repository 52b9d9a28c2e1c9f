"""What goes wrong is told in one sentence, and nothing is lost by it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.doctor import examine
from app.snapshots import NetworkSnapshot
from store import keys
from store.database import Database
from tests.core.processes import COMMAND_LIMIT_S, END_LIMIT_S, Stage, sentence


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a profile that holds something to lose."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.name != "core.lock"
    }


def locked(stage: Stage, text: str = "grey goose") -> str:
    path = stage.folder / f"{text}.txt"
    path.write_text(text + "\nsecond line\n")
    return str(path)


def test_a_profile_is_made_once(alone: Stage) -> None:
    made = alone.init("Ada")
    assert made.keys() == {"name", "identityKey", "deviceKey"}
    before = files(alone.profile("Ada"))
    assert "already a profile" in alone.refusal("Ada", "init", "--name", "Eve")
    assert files(alone.profile("Ada")) == before
    assert alone.run("Ada", "whoami") == [made]


def test_a_command_without_a_profile(alone: Stage) -> None:
    assert "no profile" in alone.refusal("Nobody", "rooms")
    assert not alone.profile("Nobody").exists()


def test_a_wrong_passphrase_changes_nothing(alone: Stage) -> None:
    right, wrong = locked(alone), locked(alone, "grey duck")
    made = alone.init("Ada", "--passphrase-file", right)
    before = files(alone.profile("Ada"))
    whoami = ("whoami", "--passphrase-file")
    assert "not this profile's" in alone.refusal("Ada", *whoami, wrong)
    assert "passphrase is needed" in alone.refusal("Ada", "whoami")
    assert "cannot be read" in alone.refusal("Ada", *whoami, "nowhere.txt")
    assert files(alone.profile("Ada")) == before
    assert alone.run("Ada", *whoami, right) == [made]
    alone.environment["COVEY_PASSPHRASE_FILE"] = right
    assert alone.run("Ada", "whoami") == [made]


@pytest.mark.parametrize(
    ("content", "said"), [("\n", "is empty"), ("x" * 1024, "longer than 1023")]
)
def test_a_passphrase_file_without_a_passphrase(
    alone: Stage, content: str, said: str
) -> None:
    named = ("--passphrase-file", locked(alone))
    Path(named[1]).write_text(content)
    assert said in alone.refusal("Ada", "init", "--name", "Ada", *named)
    assert not alone.profile("Ada").exists()


def test_the_longest_passphrase_opens_what_it_locked(alone: Stage) -> None:
    named = ("--passphrase-file", locked(alone))
    Path(named[1]).write_text("x" * 1023 + "\n")
    made = alone.init("Ada", *named)
    assert alone.run("Ada", "whoami", *named) == [made]


def test_a_phrase_brings_the_identity_back(alone: Stage) -> None:
    phrase = alone.folder / "phrase.txt"
    phrase.write_text("abandon " * 11 + "about\n")
    restore = ("--restore-phrase-file", str(phrase))
    one, two = alone.init("Ada", *restore), alone.init("Ada2", *restore)
    assert one["identityKey"] == two["identityKey"]
    assert one["deviceKey"] != two["deviceKey"]
    phrase.write_text("abandon " * 12)
    refused = alone.refusal("Eve", "init", "--name", "Eve", *restore)
    assert "recovery phrase" in refused
    assert not (alone.profile("Eve") / "covey.db").exists()


def test_a_damaged_profile_is_told_from_a_wrong_key(alone: Stage) -> None:
    made = alone.init("Ada")
    database = alone.profile("Ada") / "covey.db"
    whole = database.read_bytes()
    for position in (30, len(whole) // 2):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        database.write_bytes(damaged)
        assert "damaged" in alone.refusal("Ada", "whoami")
        assert database.read_bytes() == bytes(damaged)
    database.write_bytes(whole)
    key_file = alone.profile("Ada") / keys.KEY_FILE_NAME
    key = key_file.read_text()
    key_file.write_text("00" * 32)
    assert "not this profile's" in alone.refusal("Ada", "whoami")
    key_file.unlink()
    assert "key cannot be had" in alone.refusal("Ada", "whoami")
    key_file.write_text(key)
    assert alone.run("Ada", "whoami") == [made]


@pytest.mark.parametrize(("number", "word"), [(999, "newer"), (0, "older")])
def test_a_profile_of_another_version(alone: Stage, number: int, word: str) -> None:
    alone.init("Ada")
    folder = alone.profile("Ada")
    key = keys.open_key(folder).key
    database = Database.open(folder / "covey.db", key=key)
    database.write(lambda connection: connection.pragma("user_version", number)).result(
        5
    )
    database.close()
    before = files(folder)
    assert f"{word} version" in alone.refusal("Ada", "whoami")
    assert files(folder) == before


def test_one_core_for_a_profile(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    refused = alone.command(*alone.options("Ada"), "serve")
    assert "only one may run" in sentence(refused)
    assert len(alone.run("Ada", "whoami")) == 1


def test_a_folder_that_cannot_be_written(alone: Stage) -> None:
    (alone.folder / "ada").write_text("a file where the folder should be")
    assert "cannot be made" in alone.refusal("Ada", "init", "--name", "Ada")
    if sys.platform == "linux" and Path("/proc").is_dir():
        done = alone.command("--profile", "/proc/covey", "init", "--name", "Ada")
        assert "cannot be made" in sentence(done)


def test_a_taken_port(alone: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = str(holder.getsockname()[1])
        done = alone.command("dht", "--isolated", "--host", "127.0.0.1", "--port", port)
    assert port in sentence(done)


def test_without_a_network_everything_else_works(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    [room] = alone.run("Ada", "room", "new", "Alone")
    [sent] = alone.run("Ada", "send", "Alone", "to myself")
    assert sent["state"] == "stored"
    late = alone.attempt(
        "Ada", "send", "Alone", "x", "--wait", "delivered", "--timeout", "0.2"
    )
    assert "no other device" in sentence(late)
    assert json.loads(late.stdout)["state"] == "stored"
    [link] = alone.run("Ada", "room", "invite", room["room"])
    alone.init("Bo")
    alone.serve("Bo")
    refused = alone.refusal("Bo", "room", "join", link["invite"], "--timeout", "1")
    assert "network" in refused
    [facts] = alone.run("Ada", "doctor")
    assert facts["state"] in ("offline", "searching")
    assert facts["profile"] == "sound"


def test_wrong_usage_has_its_own_status(alone: Stage) -> None:
    for arguments in (
        ["frobnicate"],
        ["send", "room"],
        ["room"],
        ["room", "new"],
        ["room", "invite", "x", "--expires", "soon"],
        ["room", "invite", "x", "--role", "owner"],
        ["dht", "--port", "70000"],
        ["gallery"],
    ):
        done = alone.command(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
    assert alone.command("--version").stdout.startswith("covey ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a screen")
def test_without_a_screen_there_is_no_window(alone: Stage) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        alone.environment.pop(name, None)
    assert "No screen" in alone.refusal("Ada")


def test_a_reader_that_has_enough_ends_the_command(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    alone.run("Ada", "room", "new", "Birds")
    for _ in range(3):
        alone.run("Ada", "send", "Birds", "x" * 65_536)
    process = alone.spawn(
        *alone.options("Ada"), "history", "Birds", stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline(1)
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=END_LIMIT_S)
    assert said == b""


def test_output_that_goes_nowhere_stops_nothing(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    arguments = [*alone.options("Ada"), "room", "new", "Birds"]
    done = subprocess.run(
        ["sh", "-c", '"$0" -m app "$@" >&-', sys.executable, *arguments],
        env=alone.environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    [room] = alone.run("Ada", "rooms")
    assert room["name"] == "Birds"


def test_who_stops_following_sees_no_trace(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    alone.run("Ada", "room", "new", "Birds")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = alone.spawn(
            *alone.options("Ada"), "follow", "Birds", stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        # Once it prints, it follows.
        while not select.select([process.stdout], [], [], 0.05)[0]:
            alone.run("Ada", "send", "Birds", "x")
        process.send_signal(number)
        _, said = process.communicate(timeout=END_LIMIT_S)
        assert (process.returncode, said) == (0, b"")


def test_wrong_arguments_are_told(alone: Stage) -> None:
    alone.init("Ada")
    alone.serve("Ada")
    [room] = alone.run("Ada", "room", "new", "Birds")
    alone.run("Ada", "room", "new", "Birds")
    [sent] = alone.run("Ada", "send", room["room"], "x" * 65_536)
    for arguments, said in (
        (("send", "Fish", "x"), "no room"),
        (("send", "Birds", "x"), "Several rooms"),
        (("send", room["room"], " "), "empty"),
        (("send", room["room"], "x" * 65_537), "65536"),
        (("send", room["room"], "x", "--reply", "ffff"), "no message"),
        (("history", room["room"], "--before", "zz"), "no message"),
        (("room", "new", " \n"), "empty"),
        (("room", "kick", room["room"], "Eve"), "Nobody"),
    ):
        assert said in alone.refusal("Ada", *arguments)
    found = alone.run("Ada", "history", room["room"][:6])
    assert [message["id"] for message in found] == [sent["id"]]


async def test_a_wrong_clock_is_the_verdict(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db", key=os.urandom(32))
    network = NetworkSnapshot(
        state="online", nodes=5, firewall="open", public_address=None
    )
    for now_ms, wrong in ((0, True), (1_800_000_000_000, False), (10**13, True)):
        facts = await examine(
            network=network, reachability={}, database=database, now_ms=now_ms
        )
        assert ("clock is wrong" in facts["verdict"]) is wrong
        assert facts["clockPlausible"] is not wrong
    database.close()
