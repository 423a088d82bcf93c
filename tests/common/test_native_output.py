from __future__ import annotations

import os
from pathlib import Path

import pytest

from src.common.native_output import without_graph_dumps, without_native_output


def test_nothing_is_shown_inside_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    with without_native_output():
        os.write(1, b"out\n")
        os.write(2, b"err\n")
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("", "after\n")


def test_graphs_that_fail_are_left_where_they_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MS_OM_PATH", raising=False)
    with without_graph_dumps():
        folder = Path(os.environ["MS_OM_PATH"])
        (folder / "rank_0").mkdir()
    assert not folder.exists()
    assert "MS_OM_PATH" not in os.environ


def test_the_place_that_the_user_names_for_them_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MS_OM_PATH", "here")
    with without_graph_dumps():
        assert os.environ["MS_OM_PATH"] == "here"
    assert os.environ["MS_OM_PATH"] == "here"
