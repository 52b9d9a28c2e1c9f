"""dht-rpc: a Kademlia node's routing table, lookups and requests, without sockets."""

from net.rpc.addresses import Address, node_id, pack_address, unpack_address
from net.rpc.errors import (
    RequestCancelledError,
    RequestLimitError,
    RequestTimeoutError,
    SuspendedError,
    TooFewNodesError,
)
from net.rpc.events import (
    BecameEphemeral,
    Destroyed,
    NatUpdated,
    NetworkChanged,
    NetworkUpdated,
    Persistent,
    Ready,
    Resumed,
    RpcEvent,
    Suspended,
    WokeUp,
)
from net.rpc.exchange import CLIENT, SERVER, Outgoing
from net.rpc.nat_sampler import NatSampler
from net.rpc.node import RpcNode
from net.rpc.query import Query
from net.rpc.requests import PendingRequest, Reply
from net.rpc.responder import Request
from net.rpc.stats import DropReason, RpcStats
from net.rpc.table import K, RoutingTable, TableNode

__all__ = [
    "CLIENT",
    "SERVER",
    "Address",
    "BecameEphemeral",
    "Destroyed",
    "DropReason",
    "K",
    "NatSampler",
    "NatUpdated",
    "NetworkChanged",
    "NetworkUpdated",
    "Outgoing",
    "PendingRequest",
    "Persistent",
    "Query",
    "Ready",
    "Reply",
    "Request",
    "RequestCancelledError",
    "RequestLimitError",
    "RequestTimeoutError",
    "Resumed",
    "RoutingTable",
    "RpcEvent",
    "RpcNode",
    "RpcStats",
    "Suspended",
    "SuspendedError",
    "TableNode",
    "TooFewNodesError",
    "WokeUp",
    "node_id",
    "pack_address",
    "unpack_address",
]
