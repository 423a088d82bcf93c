"""Write the command that starts pre-training on all Ascend devices of a rank table (``hccl.json``).

The command is one call of ``launch.py``, which gives the processes their ranks, environment, cores and logs, and looks
after them. This file needs no other of the project, so it runs from any folder.
"""

from __future__ import annotations

import argparse
import configparser
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_MARK = "# Written by get_distribute_pretrain_cmd.py: it may be written over."
_FIRST_LINES = ["#!/usr/bin/env bash", _MARK, "set -euo pipefail"]
# What the rank table and the command line say.
_NOT_HERE = {
    "device_id": "the rank table gives each process its device",
    "device_num": "the rank table says how many there are",
    "data_dir": "give it as --data_dir",
}


class WrongCallError(Exception):
    """A mistake of the user, as the line to show."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise WrongCallError(f"{message} -> see --help")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; further options go to ``run_pretrain.py``."""
    parser = _Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--run_script_dir", default=str(_HERE.parents[1]), help="folder of run_pretrain.py and launch.py")
    add("--hyper_parameter_config_dir", default=str(_HERE / "hyper_parameter_config.ini"), help="file of options")
    add("--data_dir", required=True, help="folder of the record files")
    add("--hccl_config_dir", required=True, help="rank table, as hccl_tools.py makes it")
    add("--cmd_file", default="distributed_cmd.sh", help="file that the command is written to")
    add("--hccl_time_out", type=int, default=120, help="seconds that processes wait for each other")
    add("--hccn_config_file", default="/etc/hccn.conf", help="tells which server of the table this is, if it is there")
    add("--server_id", default="", help="which server of the table this is, where nothing else tells")
    add("--dry_run", action="store_true", help="print environment and command of each process and write nothing")
    return parser


def read_options(path: Path) -> list[str]:
    """Return the options in the section ``config`` of an ini file, as ``--key=value``.

    Raises:
        WrongCallError: The file cannot be read, or holds a key that is said elsewhere.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys such as Lamb.learning_rate have capitals
    try:
        with path.open(encoding="utf-8") as stream:
            parser.read_file(stream)
        options = dict(parser["config"])
    except OSError as error:
        raise WrongCallError(f"{path}: {error.strerror} -> check --hyper_parameter_config_dir") from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise WrongCallError(f"{path}: {' '.join(str(error).split())} -> write KEY=VALUE below [config]") from error
    except KeyError as error:
        raise WrongCallError(f"{path}: there is no section [config] -> begin the file with it") from error
    for key, reason in _NOT_HERE.items():
        if key in options:
            raise WrongCallError(f"{path}: {key} may not be set here: {reason} -> remove it")
    if options.get("config_path"):
        options["config_path"] = str((path.parent / options["config_path"]).resolve())
    return [f"--{key}={value}" for key, value in options.items()]


def launch_command(given: argparse.Namespace, options: Sequence[str], further: Sequence[str]) -> list[str]:
    """Return the call of ``launch.py``."""
    folder = Path(given.run_script_dir).resolve()
    for name in ("launch.py", "run_pretrain.py"):
        if not (folder / name).is_file():
            raise WrongCallError(f"{folder / name}: no such file -> check --run_script_dir")
    which = [f"--server_id={given.server_id}"] if given.server_id else []
    return [
        sys.executable,
        str(folder / "launch.py"),
        "--device_target=Ascend",
        f"--rank_table_file={Path(given.hccl_config_dir).resolve()}",
        f"--hccn_config_file={given.hccn_config_file}",
        *which,
        f"--hccl_connect_timeout_s={given.hccl_time_out}",
        "--bind_cores=true",
        "--log_dir=.",
        "--log_name=LOG{device}/pretraining_log.txt",
        str(folder / "run_pretrain.py"),
        *options,
        f"--data_dir={Path(given.data_dir).resolve()}",
        *further,
    ]


def write_command(path: Path, command: Sequence[str]) -> None:
    """Write the command as a script; a file that is not of our making is left alone.

    Raises:
        WrongCallError: The file cannot be written.
    """
    try:
        if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise WrongCallError(f"{path}: a file that was not written here -> choose another --cmd_file")
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text("\n".join([*_FIRST_LINES, f'exec {shlex.join(command)} "$@"', ""]), encoding="utf-8")
        temporary.chmod(0o755)
        temporary.replace(path)
    except OSError as error:
        raise WrongCallError(f"{path}: {error.strerror} -> choose another --cmd_file") from error


def main(argv: Sequence[str]) -> int:
    """Check the options and the rank table, write the command, and return the exit status."""
    given, further = make_parser().parse_known_args(argv)
    if not (given.dry_run or "://" in given.data_dir or Path(given.data_dir).is_dir()):
        raise WrongCallError(f"{given.data_dir}: no such folder -> give the folder of the record files as --data_dir")
    command = launch_command(given, read_options(Path(given.hyper_parameter_config_dir)), further)
    # Both say in one line what is wrong with the options of run_pretrain.py or with the rank table.
    status = subprocess.run([*command, "--print_config"], stdout=subprocess.DEVNULL, check=False).returncode
    if status == 0:
        shown = None if given.dry_run else subprocess.DEVNULL
        status = subprocess.run([*command[:2], "--dry_run", *command[2:]], stdout=shown, check=False).returncode
    if status != 0:
        return status
    if not given.dry_run:
        write_command(Path(given.cmd_file), command)
        print(f"wrote {given.cmd_file}; start with: bash {given.cmd_file}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except WrongCallError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
