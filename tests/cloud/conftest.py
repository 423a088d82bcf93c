from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from src.cloud import retry
from src.common.storage_url import StorageUrl
from tests.cloud.s3_server import keys, s3_server
from tests.cloud.stored_runs import LimitedStore


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Return the address of a running S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def reachable(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let this process reach the server; pauses between attempts are short."""
    for name in ("S3_ENDPOINT", "OBS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in keys(endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    return endpoint


@pytest.fixture
def output(tmp_path: Path) -> Path:
    made = tmp_path / "output"
    made.mkdir()
    return made


@pytest.fixture
def store(tmp_path: Path) -> LimitedStore:
    return LimitedStore(StorageUrl("file", "", str(tmp_path / "stored")))
