"""Keys are read from files and variables, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.export.encryption import check_mode, read_key

SECRET = "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(("digits", "size"), [(SECRET, 16), (SECRET + SECRET[:16], 24), (SECRET * 2, 32)])
def test_a_key_is_read_from_a_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: str, size: int
) -> None:
    (tmp_path / "key").write_text(f"{digits.upper()}\n", encoding="utf-8")
    assert read_key(tmp_path / "key") == bytes.fromhex(digits)
    assert len(read_key(str(tmp_path / "key"))) == size
    monkeypatch.setenv("ALBERT_KEY", digits)
    assert read_key("env:ALBERT_KEY") == bytes.fromhex(digits)


@pytest.mark.parametrize("text", ["", "\n", "secret words", SECRET[:-1], SECRET[:-2], SECRET * 3, "é" * 16])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="this is no key") as caught:
        read_key(tmp_path / "key")
    assert not text.strip() or text.strip() not in str(caught.value)


def test_a_key_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigError, match="cannot read the key"):
            read_key(source)
    monkeypatch.delenv("ALBERT_KEY", raising=False)
    with pytest.raises(ConfigError, match="env:ALBERT_KEY: the environment has no such variable"):
        read_key("env:ALBERT_KEY")


def test_sm4_takes_one_size() -> None:
    check_mode(bytes(16), "SM4-CBC")
    check_mode(bytes(32), "AES-GCM")
    with pytest.raises(ConfigError, match="SM4-CBC takes a key of 16 bytes, and this one has 32"):
        check_mode(bytes(32), "SM4-CBC")
