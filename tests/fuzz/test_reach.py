"""Fuzzing is worth something only where it gets to: the branches of every decoder.

Runs the targets of this folder once more under a coverage measurement and adds up
the branches of the functions that read what a peer sent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WANTED_PERCENT = 95.0
LIMIT_S = 600.0

# The targets that feed decoders; those that feed whole machines take longer.
TARGETS = (
    "test_encoding.py",
    "test_noise.py",
    "test_mux.py",
    "test_rpc_messages.py::test_requests_are_read_or_refused",
    "test_rpc_messages.py::test_responses_are_read_or_refused",
    "test_dht.py::test_decoders_refuse_or_agree_with_their_encoder",
    "test_dht.py::test_lookup_replies_refuse_or_agree",
    "test_hypercore_messages.py",
    "test_proofs.py",
    "test_heads.py",
    "test_fork_proofs.py",
    "test_fork_messages.py",
    "test_hyperbee.py::test_blocks_are_read_or_refused",
    "test_hyperbee.py::test_headers_are_read_or_refused",
    "test_hyperbee.py::test_messages_are_read_or_refused",
    "test_drives.py",
    "test_pairing.py",
    "test_invitations.py",
    "test_contacts.py",
    "test_devices.py",
    "test_entries.py",
    "test_room_keys.py",
    "test_contents.py",
    "test_hole_lists.py",
    "test_acts.py",
    "test_pages.py",
    "test_removals.py",
    "test_signals.py",
    "test_audit.py",
    "test_udx.py::test_one_packet",
    "test_udx.py::test_runs_agree_with_single_packets",
)

# Which functions of a module read bytes of a peer.
DECODERS: dict[str, tuple[str, ...]] = {
    "app/audit/lines.py": ("decode_line", "read_*", "_*"),
    "app/audit/proofs.py": ("check_*", "led_up", "path_length"),
    "app/rooms/epochs.py": (
        *("_decode", "_read_*", "read_*"),
        *("_open_*", "open_*"),
    ),
    "app/rooms/fork_messages.py": ("decode_*", "_read_*", "_end"),
    "app/rooms/hole_lists.py": ("decode_*", "_read_*"),
    "app/rooms/key_ring.py": (
        *("KeyRing.open", "KeyRing._seal", "KeyRing._miss"),
        *("unlock", "_before"),
    ),
    "app/rooms/page_responses.py": ("read_*", "_read_*"),
    "app/rooms/pages.py": ("decode_*", "open_page", "_read_*"),
    "app/rooms/removals.py": (
        *("decode_evidence", "check_*", "_stands_there", "_read_*", "_number"),
    ),
    "app/rooms/signals.py": ("decode_*",),
    "app/rooms/seals.py": ("_check", "_open", "EpochSeal.open", "open_*", "read_*"),
    "net/encoding/compact.py": ("Reader.*", "zig_zag_inverse", "_safe"),
    "net/encoding/values.py": ("read_*", "_unpack_bits"),
    "net/noise/handshake.py": ("Handshake.receive", "_take"),
    "net/noise/cipher.py": ("SymmetricState.decrypt",),
    "net/noise/secret_stream.py": (
        "SecretStream.receive_data",
        "SecretStream.open_datagram",
        "SecretStream._take_frames",
        "SecretStream._has_whole_frame",
        "SecretStream._check_size",
        "SecretStream._receive_*",
    ),
    "net/mux/messages.py": ("read_*",),
    "net/mux/mux.py": ("Mux.receive_frame", "Mux._receive_*"),
    "net/encoding/z_base_32.py": ("read_*",),
    "net/pairing/messages.py": ("decode_*", "_bounded", "_read_*"),
    "net/pairing/invite.py": ("decode_invite", "read_invite", "_public"),
    "net/pairing/request.py": (
        *("CandidateRequest.open", "CandidateRequest._check"),
        *("open_sealed", "verify_receipt", "_holds"),
    ),
    "net/pairing/candidate.py": ("Candidate.receive_*", "Candidate._receive"),
    "net/pairing/member.py": (
        *("Member.receive_*", "Member._receive", "Member._ask"),
        *("Member._is_its_own", "Member._has_room", "_Invite.verdict", "_join"),
    ),
    "net/rpc/messages.py": ("decode_*", "_decode_*", "_take"),
    "net/dht/messages.py": ("*.decode", "_read_*"),
    "net/udx/packet.py": ("decode_*",),
    "app/contacts/calls.py": ("decode_*",),
    "app/devices/pairing.py": ("decode_*", "open_*", "_read_*"),
    "app/devices/records.py": ("decode_*", "_flag"),
    "app/rooms/invitations.py": ("decode_*", "open_*", "read_*", "_read_*"),
    "app/rooms/operations/contents.py": ("_read_*", "_flags", "_versioned.versioned"),
    "app/rooms/operations/acts.py": ("_read_*",),
    "store/autobase/entry.py": ("decode_*", "_read_*", "_check"),
    "store/corestore/heads.py": ("HeadsTable.receive", "HeadsTable._hear*"),
    "store/hypercore/wire.py": ("read_*",),
    "store/hypercore/manifest.py": ("decode_*", "read_*", "_read_*", "_skip_*"),
    "store/hypercore/signatures.py": ("decode_*", "_read_*", "_verify_*", "_patched"),
    "store/hypercore/fork_proof.py": ("decode_*", "_read_*", "is_proven_end"),
    "store/hypercore/told_history.py": ("ToldHistory.__init__", "ToldHistory.learn"),
    "store/hypercore/proofs/build.py": ("build_proof", "_*", "need"),
    "store/hypercore/proofs/verify.py": ("verify_*", "fold", "grow", "_*"),
    "store/hypercore/proofs/reorg.py": ("*_reorg", "_*"),
    "store/hyperbee/protobuf.py": ("read_*",),
    "store/hyperbee/blocks.py": ("decode_*", "_decode_*", "Block.*"),
    "store/hyperbee/encoding.py": ("read_json", "_refuse", "_finite", "_is_deep"),
    "store/hyperbee/messages.py": ("decode_*", "_decode_*", "_expect"),
    "store/hypercore/messages.py": ("decode_*", "_decode_*", "_read_*"),
    "store/hyperblobs/blob_id.py": ("BlobId.from_json", "_natural"),
    "store/hyperblobs/block_map.py": ("decode_*", "_decode_*"),
    "store/hyperdrive/entry.py": ("decode_*", "_object"),
    "store/hyperdrive/paths.py": ("decode_key", "is_clean", "link_target"),
}


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What coverage says of each function of each measured module."""
    folder = tmp_path_factory.mktemp("reach")
    python, data = sys.executable, str(folder / "data")
    coverage = [python, "-m", "coverage"]
    include = "--include=" + ",".join(DECODERS)
    run = [
        *coverage,
        "run",
        "--branch",
        f"--data-file={data}",
        include,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(HERE / target) for target in TARGETS),
    ]
    report = [*coverage, "json", f"--data-file={data}", "-o", str(folder / "json")]
    for command in (run, report):
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
    measured = json.loads((folder / "json").read_text())["files"]
    return {name: measured[name]["functions"] for name in DECODERS}


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("module", DECODERS)
def test_fuzzing_reaches_the_branches(
    module: str, functions: dict[str, dict[str, Any]]
) -> None:
    total = covered = 0
    missed = []
    patterns = DECODERS[module]
    for name, measured in functions[module].items():
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        summary = measured["summary"]
        # A function without a branch counts as one way through.
        total += max(1, summary["num_branches"])
        covered += summary["covered_branches"] or int(summary["covered_lines"] > 0)
        if measured["missing_branches"] or measured["missing_lines"]:
            missed.append(f"{name}: {measured['missing_branches']}")
    assert total >= len(patterns), "the patterns name functions that do not exist"
    assert 100 * covered / total >= WANTED_PERCENT, "\n".join(missed)
