"""The page of a contest: what is shown of the command, and where it may be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contest.page import Page, check_output, shown_arguments
from src.common.errors import OutputError


def test_a_page_is_what_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    page.section("speed", "Seconds.")
    page.head(("case", "ours"))
    page.row(("a", "1.0"))
    page.block(["load 1", "load 2"])
    printed = capsys.readouterr().out
    assert (
        printed == "\n## speed\n\nSeconds.\n\n| case | ours |\n|---|---|\n| a | 1.0 |\n\n```text\nload 1\nload 2\n```\n"
    )
    text = page.text(["--only", "train"])
    assert printed in text
    assert "```bash\npython -m benchmarks.contest --only train\n```" in text
    assert "your files" not in text


def test_the_command_is_shown_without_places_of_this_machine() -> None:
    argv = ["--peer_python", "/a/python", "--glue_dir", "/b/glue", "--spm_model_file=/c/30k.model", "--rounds", "3"]
    argv += ["--output", "/d/page.md", "--overwrite"]
    shown, files = shown_arguments(argv)
    assert shown == ["--glue_dir", "glue", "--spm_model_file", "30k.model", "--rounds", "3"]
    assert files == ["glue", "30k.model"]
    assert "<!-- your files: glue 30k.model -->" in Page().text(argv)


def test_a_page_that_cannot_be_written_is_refused_before_the_measuring(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    check_output(page, overwrite=False)
    page.write_text("earlier")
    check_output(page, overwrite=True)
    for path, overwrite, message in (
        (page, False, "say --overwrite"),
        (tmp_path, True, "name a file"),
        (tmp_path / "none" / "page.md", False, "the folder of the page is not there"),
        (page / "page.md", False, "the folder of the page is not there"),
    ):
        with pytest.raises(OutputError, match=message):
            check_output(path, overwrite)
    assert page.read_text() == "earlier"
