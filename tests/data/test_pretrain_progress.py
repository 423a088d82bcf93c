from __future__ import annotations

import pytest

from src.data.pretraining import progress
from src.data.pretraining.progress import ScanProgress


def test_a_log_gets_plain_lines_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    scan = ScanProgress("check data", 1000, "records")
    for now in (1.0, 11.0, 12.0, 22.0):
        clock[0] = now
        scan.advance(250)
    scan.finish()
    assert capsys.readouterr().err.splitlines() == [
        "check data: 50 %, 45 records/s, about 11 s left",
        "check data: 100 %, 45 records/s, about 0 s left",
    ]


def test_a_terminal_gets_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    scan = ScanProgress("check data", 1000, "records")
    clock[0] = 1.0
    scan.advance(500)
    scan.finish()
    shown = capsys.readouterr().err
    assert shown.startswith("\rcheck data: 50 %, 500 records/s, about 1 s left")
    assert shown.endswith("\r")
    assert "\n" not in shown
