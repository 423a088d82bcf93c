from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from src.common.environment import collect_environment, git_state, mask_secrets, package_versions


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_what_a_reader_needs_is_there_and_plain_json() -> None:
    content = json.loads(json.dumps(collect_environment("CPU", ["run.py", "--seed", "1"])))
    assert content["command"] == ["run.py", "--seed", "1"]
    assert content["device"] == "CPU"
    assert content["cpu"]["count"] >= content["cpu"]["usable"] >= 1
    assert content["cpu"]["model"]
    assert content["packages"]["numpy"].count(".") == 2
    assert content["started"].endswith("+00:00")


def test_no_environment_variable_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "very-secret-value")
    monkeypatch.setenv("HARMLESS", "very-secret-value")
    assert "very-secret-value" not in json.dumps(collect_environment("CPU"))


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        (["--token=abc", "--seed=1"], ["--token=***", "--seed=1"]),
        (["--hub-token", "abc", "x"], ["--hub-token", "***", "x"]),
        (["--password", "--seed", "1"], ["--password", "--seed", "1"]),
        (["--MY_ACCESS_KEY=a=b"], ["--MY_ACCESS_KEY=***"]),
        (["--ak", "a", "--sk=b"], ["--ak", "***", "--sk=***"]),
        (["--data=https://me:pw@host/x"], ["--data=https://***@host/x"]),
        (["--tokenizer=a.model", "--max_tokens", "7"], ["--tokenizer=a.model", "--max_tokens", "7"]),
        (["token=abc"], ["token=abc"]),
    ],
)
def test_secrets_of_the_command_line_are_masked(arguments: list[str], masked: list[str]) -> None:
    assert mask_secrets(arguments) == masked


def test_a_package_that_is_not_there_is_null() -> None:
    assert package_versions(["numpy", "no-such-package-here"])["no-such-package-here"] is None


def test_commit_and_changes_of_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    state = git_state(tmp_path)
    assert state is not None
    assert len(state["commit"]) == 40
    assert state["modified"] is False
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path) == {"commit": state["commit"], "modified": True}
    # A folder inside somebody else's repository has no commit of its own.
    (tmp_path / "sub").mkdir()
    assert git_state(tmp_path / "sub") is None


def test_no_repository_no_commit_or_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    assert git_state(tmp_path / "plain") is None
    git(tmp_path, "init", "-q", "fresh")
    assert git_state(tmp_path / "fresh") is None
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path / "fresh") is None
