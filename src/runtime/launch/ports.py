"""The address at which the processes of a job find each other."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from src.common.errors import ConfigError, DeviceError

_FIRST_PORT = 10000
# What Linux says where /proc does not: from here on, ports are given to outgoing connections.
_EPHEMERAL_FROM = 32768
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SPREAD = 7919  # a prime, so that launchers with neighbouring process ids look at distant ports
_TRIES = 200


def resolve(host: str) -> str:
    """Return the IPv4 address of a host.

    Raises:
        ConfigError: There is no such host.
    """
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise ConfigError(
            f"no address is known for the host {host!r}", "--master_addr", "give the IP address of node 0"
        ) from error


def is_local(address: str) -> bool:
    """Say whether an address belongs to this machine."""
    try:
        return _bind_error(resolve(address), 0) is None
    except ConfigError:
        return False


def check_port(address: str, port: int) -> None:
    """Check that the scheduler will be able to listen.

    Raises:
        ConfigError: The address is not one of this machine.
        DeviceError: Another process has the port.
    """
    code = _bind_error(address, port)
    if code == errno.EADDRNOTAVAIL:
        raise ConfigError(
            f"{address} is no address of this machine", "--master_addr", "node 0 must be given one of its own addresses"
        )
    if code is not None:
        raise DeviceError(
            f"port {port} of {address} cannot be used: {os.strerror(code)}",
            "--master_port",
            "choose another port, or leave the option out on a single machine",
        )


def free_port(address: str) -> int:
    """Return a port on which nobody listens, below those that the system gives to outgoing connections.

    Raises:
        ConfigError: The address is not one of this machine.
        DeviceError: None is free.
    """
    last = _ephemeral_from()
    for attempt in range(_TRIES):
        port = _FIRST_PORT + (os.getpid() * _SPREAD + attempt) % max(1, last - _FIRST_PORT)
        if _bind_error(address, port) is None:
            return port
    check_port(address, port)
    return port


def _bind_error(address: str, port: int) -> int | None:
    """Return the number of the error of listening there, ``None`` where it works."""
    with socket.socket() as probe:
        # As a server does it: ports whose connections were just closed are free, ports with a listener are not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return None


def _ephemeral_from() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_FROM
