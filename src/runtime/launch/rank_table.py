"""The rank table of HCCL (``hccl.json``): which rank runs on which device of which server."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.json_files import read_json
from src.runtime.launch.ports import is_local

_FIX = "make the file anew with hccl_tools.py of your CANN or MindSpore version"


@dataclass(frozen=True)
class TableDevice:
    """One line of the table."""

    rank: int
    device: int
    address: str


@dataclass(frozen=True)
class RankTable:
    """A checked rank table.

    Attributes:
        path: The file, absolute.
        servers: The devices of each server, in the order of their ranks, by ``server_id``.
    """

    path: Path
    servers: dict[str, list[TableDevice]]

    @property
    def size(self) -> int:
        """The number of ranks."""
        return sum(len(devices) for devices in self.servers.values())

    def here(self, server_id: str = "", hccn_file: Path | None = None) -> list[TableDevice]:
        """Return the devices of this machine.

        Args:
            server_id: The server, where it is known; else the only one, or the one with an address of this machine.
            hccn_file: ``/etc/hccn.conf``: its device addresses tell which server this is.

        Raises:
            ConfigError: It cannot be told which server this is.
        """
        if server_id and server_id not in self.servers:
            raise ConfigError(
                f"no server {server_id!r}", str(self.path), f"its servers are {', '.join(self.servers)}: choose one"
            )
        if server_id:
            return self.servers[server_id]
        if len(self.servers) == 1:
            return next(iter(self.servers.values()))
        addresses = _hccn_addresses(hccn_file)
        for name, devices in self.servers.items():
            if addresses & {device.address for device in devices} or is_local(name):
                return devices
        raise ConfigError(
            "none of its servers is this machine",
            str(self.path),
            f"say which with --server_id ({', '.join(self.servers)})",
        )


def read_rank_table(path: Path) -> RankTable:
    """Read and check a rank table.

    Raises:
        ConfigError: The file cannot be read, keys are missing, or ranks or devices are not unique and complete.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise ConfigError(f"cannot read the rank table: {error.strerror}", str(path), "check the path") from error
    except ValueError as error:
        raise ConfigError(f"the rank table is no JSON: {error}", str(path), _FIX) from error
    servers: dict[str, list[TableDevice]] = {}
    for number, server in enumerate(_list_of(content, "server_list", str(path))):
        where = f"{path}: server_list[{number}]"
        name = _value_of(server, "server_id", where)
        if name in servers:
            raise ConfigError(f"server_id {name} is there twice", where, _FIX)
        rows = _list_of(server, "device", where)
        devices = [_device_of(row, f"{where}.device[{index}]") for index, row in enumerate(rows)]
        servers[name] = sorted(devices, key=lambda device: device.rank)
    _check(content, servers, path)
    return RankTable(path.resolve(), servers)


def _device_of(row: Any, where: str) -> TableDevice:
    address = str(row.get("device_ip") or "") if isinstance(row, dict) else ""
    try:
        if address:
            ipaddress.ip_address(address)
    except ValueError as error:
        raise ConfigError(f"device_ip is {address!r}, which is no address", where, _FIX) from error
    return TableDevice(_number_of(row, "rank_id", where), _number_of(row, "device_id", where), address)


def _check(content: dict[str, Any], servers: dict[str, list[TableDevice]], path: Path) -> None:
    """Check what concerns more than one line."""
    if content.get("status", "completed") != "completed":
        raise ConfigError(f"the status of the rank table is {content['status']!r}", str(path), "wait for 'completed'")
    if str(content.get("server_count", len(servers))) != str(len(servers)):
        raise ConfigError(f"server_count is {content['server_count']}, {len(servers)} are listed", str(path), _FIX)
    for name, devices in servers.items():
        _unique([device.device for device in devices], f"device_id of server {name}", path)
    ranks = [device.rank for devices in servers.values() for device in devices]
    _unique(ranks, "rank_id", path)
    missing = sorted(set(range(len(ranks))) - set(ranks))
    if missing:
        raise ConfigError(f"rank_id {missing[0]} is missing: ranks go from 0 to {len(ranks) - 1}", str(path), _FIX)


def _unique(numbers: list[int], name: str, path: Path) -> None:
    for number in sorted(numbers):
        if numbers.count(number) > 1:
            raise ConfigError(f"{name}: {number} is there {numbers.count(number)} times", str(path), _FIX)


def _value_of(row: Any, key: str, where: str) -> str:
    if not isinstance(row, dict) or row.get(key) in (None, ""):
        raise ConfigError(f"the key {key} is missing", where, _FIX)
    return str(row[key])


def _number_of(row: Any, key: str, where: str) -> int:
    value = _value_of(row, key, where)
    if not re.fullmatch(r"\d+", value):
        raise ConfigError(f"{key} is {value!r}, not a number from 0 on", where, _FIX)
    return int(value)


def _list_of(row: Any, key: str, where: str) -> list[Any]:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, list) or not value:
        raise ConfigError(f"the list {key} is missing or empty", where, _FIX)
    return value


def _hccn_addresses(path: Path | None) -> set[str]:
    """Return the device addresses in ``hccn.conf`` (lines ``address_0=192.168.100.101``); none where it is missing."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return set()
    return set(re.findall(r"^\s*address_\d+\s*=\s*(\S+)", text, re.MULTILINE))
