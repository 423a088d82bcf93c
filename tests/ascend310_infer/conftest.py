from __future__ import annotations

from pathlib import Path

import pytest

from tests.ascend310_infer.application import MODELS, SHAPES, Work, build, find_lite


@pytest.fixture(scope="session")
def lite_home() -> Path:
    return find_lite()


@pytest.fixture(scope="session")
def application(lite_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application with the address and undefined-behaviour sanitizers, built once."""
    return build(tmp_path_factory.mktemp("application"), lite_home, "--sanitize")


@pytest.fixture
def classifier(application: Path, tmp_path: Path) -> Work:
    """Three batches for the classifier."""
    work = Work(tmp_path, application, MODELS / "classifier" / "model.mindir", (SHAPES["classifier"],) * 3)
    work.write("x_batch_4_000000", "x_batch_4_000001", "x_batch_4_000002")
    return work


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the application waits for its build, and loads 300 MB of libraries with each run."""
    for item in items:
        if "lite_home" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
