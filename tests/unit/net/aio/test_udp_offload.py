"""How the offload backend reads when datagrams come alone, and when they do not."""

from __future__ import annotations

import sys

import pytest

from net.aio.udp import open_udp_socket
from net.aio.udp_offload import LONE_TURNS
from tests.unit.net.aio.test_udp import HOST, Receiver


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has the offload")
async def test_a_burst_after_lone_datagrams_arrives_in_few_turns() -> None:
    receiver, sender = Receiver(), await open_udp_socket(HOST)
    receiving = await open_udp_socket(HOST)
    receiving.start(receiver)
    lone = 2 * LONE_TURNS
    for number in range(lone):
        sender.send(b"%d" % number, 0, receiving.address)
        await receiver.wait_for(number + 1)
    turns = receiver.turns
    for number in range(50):
        sender.send(b"%d" % (lone + number), 0, receiving.address)
    await receiver.wait_for(lone + 50)
    assert [data for data, _ in receiver.datagrams] == [
        b"%d" % number for number in range(lone + 50)
    ]
    assert receiver.turns - turns <= 9
    receiving.close()
    sender.close()
