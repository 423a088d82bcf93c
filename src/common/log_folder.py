"""The folder of MindSpore's own log, without which MindSpore ends in a traceback when it is imported."""

from __future__ import annotations

import os
from pathlib import Path

from src.common.errors import OutputError

_FOLDER, _TO_STDERR = "GLOG_log_dir", "GLOG_logtostderr"
_OWNER_ONLY = 0o700


def make_log_folder() -> None:
    """Make the folder that the environment names, as MindSpore would; call it before MindSpore is imported.

    MindSpore writes into any folder, but refuses to make one whose path has other characters than ``a-z A-Z 0-9`` and
    ``/ . _ - : @``, such as a space (2.10.0).

    Raises:
        OutputError: The folder cannot be made, or none is named and MindSpore would stop at that.
    """
    folder = os.environ.get(_FOLDER, "").strip()
    if os.environ.get(_TO_STDERR, "").strip() != "0":
        return
    if not folder:
        fix = f"export {_FOLDER}=$PWD/ms_log, or take {_TO_STDERR} away"
        raise OutputError("MindSpore's own log is to go into files, and no folder is named for them", _TO_STDERR, fix)
    try:
        Path(folder).mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder of MindSpore's own log cannot be made: {error.strerror}"
        raise OutputError(what, f"{_FOLDER}={folder}", "name another folder") from error
