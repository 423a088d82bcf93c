"""README_CN.md says what README.md says: the same commands, outputs, sections and rows, whatever the language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.readme_commands import README, ROOT, blocks_of

CHINESE = ROOT / "README_CN.md"


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def sections(text: str) -> list[tuple[int, str]]:
    """Return the level of each heading and what stands below it, without code."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"^(#+) .+$", plain, flags=re.MULTILINE)
    return list(zip(map(len, parts[1::2]), parts[2::2], strict=True))


def first_cells(section: str) -> list[list[str]]:
    """Return the names in the first column of a section's tables, row by row."""
    rows = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [re.findall(r"`([^`]+)`", row.split(" | ")[0]) for row in rows]


def differences(english: str, chinese: str) -> list[str]:
    """Return where the two texts are not the same, without their commands."""
    found = []
    ours, theirs = sections(english), sections(chinese)
    if [level for level, _ in ours] != [level for level, _ in theirs]:
        return [f"{len(ours)} headings, and {len(theirs)} in Chinese, or other levels"]
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", english, flags=re.M | re.S), re.MULTILINE)
    for title, (_, left), (_, right) in zip(titles, ours, theirs, strict=True):
        if first_cells(left) != first_cells(right):
            rows = [row for row in first_cells(left) if row not in first_cells(right)]
            found.append(f"{title}: the tables differ; {rows or 'their number of rows'}")
    is_tree = re.compile(r"\A\.\n├")
    outputs = [[text for text in fences(page, "text") if not is_tree.match(text)] for page in (english, chinese)]
    if outputs[0] != outputs[1]:
        found.append("the outputs differ")
    trees = [[text for text in fences(page, "text") if is_tree.match(text)] for page in (english, chinese)]
    names = [[re.findall(r"── (\S+)", text) for text in texts] for texts in trees]
    if names[0] != names[1]:
        found.append("the trees of files differ")
    return found


def test_every_command_is_that_of_the_readme() -> None:
    english, chinese = blocks_of(README), blocks_of(CHINESE)
    for left, right in zip(english, chinese, strict=False):
        assert left.commands == right.commands, f"{left} is not {right}"
        assert left.reason == right.reason, f"{left} is not {right}"
    assert len(english) == len(chinese) > 20


def test_the_rest_is_that_of_the_readme() -> None:
    assert differences(README.read_text(encoding="utf-8"), CHINESE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("\n## 性能\n", "\n"), "headings"),
        (("| `--seed` |", "| `--seeds` |"), "Parameters: the tables differ; [['--seed']]"),
        (("acc_num 782 ,", "acc_num 783 ,"), "the outputs differ"),
        (("├── launch.py ", "├── launcher.py "), "the trees of files differ"),
    ],
)
def test_a_difference_would_be_found(change: tuple[str, str], message: str) -> None:
    chinese = CHINESE.read_text(encoding="utf-8")
    assert change[0] in chinese
    found = differences(README.read_text(encoding="utf-8"), chinese.replace(*change))
    assert any(message in text for text in found), found


def test_a_changed_command_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(CHINESE.read_text(encoding="utf-8").replace("--max_seq_length 64", "--max_seq_length 65", 1))
    assert [block.commands for block in blocks_of(page)] != [block.commands for block in blocks_of(README)]


def test_most_of_it_is_chinese() -> None:
    text = re.sub(
        r"<!--.*?-->|^```.*?^```$|`[^`]*`|\([^)]*\)", "", CHINESE.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    for _, section in sections(text):
        words = re.findall(r"[a-z]{3,} [a-z]{2,} [a-z]{2,} [a-z]{2,}", section)
        assert words == [], words
    assert len(re.findall(r"[\u4e00-\u9fff]", text)) > 3500
