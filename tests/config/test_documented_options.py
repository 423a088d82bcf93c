from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.config import test_documented as lists
from tests.config.documented_options import BEGIN, END, GROUPS, PAGE, meaning, text_of, updated
from tests.config.option_rows import VERIFIED, Group, Row, rows

EVERY = [(group, row) for group in GROUPS for row in group.rows]
NAMES = {row.name for _, row in EVERY}
IDS = [f"{group.title}: {row.name}" for group, row in EVERY]
# An option of git in the document, as in "git reset --hard".
NO_OPTIONS = {"hard"}


@pytest.mark.parametrize(("group", "row"), EVERY, ids=IDS)
def test_every_documented_option_is_known_or_refused_with_advice(group: Group, row: Row) -> None:
    text = meaning(group, row)
    assert text, f"{row.name} of {group.title} is neither known nor refused"
    # A key that is gone somewhere and known elsewhere counts as known.
    assert (row.verified == "refused") == ("gone: " in text and "`: " not in text), text


@pytest.mark.parametrize(("group", "row"), EVERY, ids=IDS)
def test_where_an_option_is_verified(group: Group, row: Row) -> None:
    assert row.verified in VERIFIED
    assert re.search(rf"(?<![A-Za-z]){re.escape(row.word)}(?![A-Za-z])", text_of(f"tests/{row.test}")), row.word


def test_the_table_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert updated(text) == text, "run: python -m tests.config.documented_options"
    # A table that were made of nothing would be up to date too.
    for name in NAMES:
        assert f"\n| `{name}` | " in text
    assert "not known" not in text


def test_an_unknown_option_would_be_found() -> None:
    (row,) = rows("no_such_option | cpu | x.py")
    for where in (("run_classifier.py",), ("scripts/run_infer_310.sh",), ("src/data/convert_options.py",)):
        assert meaning(Group("x", "x", where, (row,)), row) is None
    # Known in one of two tasks is not known.
    (row,) = rows("version_2_with_negative | cpu | x.py")
    assert meaning(Group("x", "x", ("run_squad_v1.py",), (row,)), row) is not None
    assert meaning(Group("x", "x", ("run_squad_v1.py", "run_pretrain.py"), (row,)), row) is None


def test_a_changed_table_would_be_found() -> None:
    text = PAGE.read_text(encoding="utf-8")
    changed = text.replace("| `epoch_size` |", "| `epoch_sizes` |")
    assert changed != text
    assert updated(changed) == text
    assert updated(f"before\n{BEGIN}\nstale\n{END}\nafter\n").startswith(f"before\n{BEGIN}\n\n## model zoo\n")


def test_the_lists_of_the_schemas_tests_are_in_the_table() -> None:
    old = {
        *lists.PLATFORM,
        *lists.PRETRAIN,
        *lists.FINETUNE,
        *lists.CLASSIFIER,
        *lists.SQUAD,
        *lists.EXPORT,
        *lists.TF2,
    }
    old |= {*lists.NETWORK, *lists.SCHEDULED, *lists.LOSS_SCALE, *lists.OTHER_COMMANDS}
    assert sorted(old - NAMES) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", ["readme_model_zoo_albert.txt", "readme_ascend_tf2_albert.txt"])
def test_every_option_in_the_text_of_the_documents(name: str, shared_data: Path) -> None:
    document = shared_data.parent / "reference" / name
    if not document.exists():
        pytest.skip("the documents are not here")
    text = document.read_text(encoding="utf-8")
    found = set(re.findall(r"--([a-z]\w+)", text)) - NO_OPTIONS
    found |= set(re.findall(r"^    ([a-z][a-z_0-9]*)\s{2,}\S", text, re.MULTILINE))
    found |= set(re.findall(r"^    -   ([a-z]\w+): ", text, re.MULTILINE))
    assert len(found) > 25
    assert sorted(found - NAMES) == []
