"""The table of docs/options.md, made of the lists of options and of the schemas.

``python -m tests.config.documented_options`` writes it anew, after a key or its description has changed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import groupby

from src.config.options import list_options, section_paths
from src.config.replaced import replacement
from src.config.schemas import SCHEMAS
from tests.config.documented_commands import COMMAND_GROUPS
from tests.config.documented_v2 import V2_GROUPS
from tests.config.documented_zoo import ZOO_GROUPS
from tests.config.option_rows import ROOT, TASKS, VERIFIED, Group, Row

GROUPS = ZOO_GROUPS + COMMAND_GROUPS + V2_GROUPS
PAGE = ROOT / "docs" / "options.md"
BEGIN, END = "<!-- generated options: begin -->", "<!-- generated options: end -->"


@functools.cache
def known_keys(task: str) -> dict[str, str]:
    """Return the keys of a task with what they mean."""
    options = list_options(SCHEMAS[task])
    sections = {".".join(path): "a section of keys" for path in section_paths(options)}
    return {**sections, **{option.name: option.description for option in options.values()}}


@functools.cache
def text_of(name: str) -> str:
    """Return the text of a file of this project."""
    return (ROOT / name).read_text(encoding="utf-8")


def schema_meaning(command: str, key: str) -> str | None:
    """Return what an entry script's key means, or what has taken its place; ``None`` for a key that is not known."""
    task = TASKS[command]
    if key in known_keys(task):
        return f"`{key}`: {known_keys(task)[key]}"
    text = replacement(task, key)
    return None if text is None else f"gone: {text}"


def is_named(where: tuple[str, ...], row: Row) -> bool:
    """Tell whether one of the files of this project takes an option: ``--name``, or NAME in a usage text."""
    wanted = row.name if row.name.isupper() else f"--{row.name}"
    pattern = re.compile(rf"(?<![\w-]){re.escape(wanted)}\b")
    return any(pattern.search(text_of(name)) for name in where)


def meaning(group: Group, row: Row) -> str | None:
    """Return the cell that says what an option is here; ``None`` for one that this project does not know."""
    commands = [name for name in group.where if name in TASKS]
    if not commands:
        return row.meaning if is_named(group.where, row) else None
    found = [(name, schema_meaning(name, group.key(name, row.name))) for name in commands]
    if any(text is None for _, text in found):
        return None
    # Keys in sections have a name of their own in each task: the first stands for all.
    plain = {re.sub(r"`[\w.]+`", "`key`", str(text)) for _, text in found}
    if len(plain) == 1:
        return str(found[-1][1])
    texts = [(text, [name for name, _ in names]) for text, names in groupby(found, key=lambda pair: str(pair[1]))]
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in texts)


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    for document, groups in groupby(GROUPS, key=lambda group: group.document):
        yield from ("", f"## {document}")
        for group in groups:
            yield from ("", f"### {document}: {group.title}", "", "| option | here | verified |", "|---|---|---|")
            for row in group.rows:
                cell = (
                    (meaning(group, row) or "not known").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
                )
                yield f"| `{row.name}` | {cell} | {VERIFIED[row.verified]}: `tests/{row.test}` |"


def updated(text: str) -> str:
    """Return the page with its generated part renewed."""
    before, _, rest = text.partition(BEGIN)
    return "\n".join([before + BEGIN, *lines(), "", END]) + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
