"""Sockets that processes listen on, and may."""

from __future__ import annotations

import ipaddress
import socket

import psutil


def free_port() -> int:
    """A port of loopback on which nothing listens at present."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listening(pid: int | None = None) -> set[tuple[str, int]]:
    """Addresses and ports that a process, this one by default, and those that it started listen on."""
    parent = psutil.Process(pid)
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in (parent, *parent.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def beyond_loopback(places: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those that other machines can reach."""
    return {(address, port) for address, port in places if not _is_loopback(address)}


def _is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
