"""Write the generated part of docs/configuration.md: ``python -m src.config.document``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from src.common.cli import run_command
from src.common.errors import ConfigError
from src.common.files import write_text_atomic
from src.config.layers import KeyPath, as_written
from src.config.load import PROJECT_ROOT
from src.config.options import GROUP_ORDER, Option, list_options
from src.config.replaced import REPLACED, replacement
from src.config.schemas import SCHEMAS

BEGIN, END = "<!-- generated keys: begin -->", "<!-- generated keys: end -->"
DOCUMENT = PROJECT_ROOT / "docs" / "configuration.md"


def _shared_name(path: KeyPath) -> str | None:
    """Return the name under which the tables list a key, or ``None`` for one that another row stands for.

    The sections of pre-training, which has one network section for each size and its optimizers at the top level, are
    listed as those of fine-tuning.
    """
    if path[0].endswith("_net_cfg"):
        return f"albert_net_cfg.{path[1]}" if path[0] in ("albert_net_cfg", "base_net_cfg") else None
    if path[0] in ("optimizer", "AdamWeightDecay", "Lamb", "Momentum"):
        return ".".join(("optimizer_cfg", *path))
    return ".".join(path)


def _rows() -> dict[str, dict[str, Option]]:
    rows: dict[str, dict[str, Option]] = {}
    for task in ("classifier", "squad", "pretrain"):
        for path, option in list_options(SCHEMAS[task]).items():
            name = _shared_name(path)
            if name is not None:
                rows.setdefault(name, {})[task] = option
    return rows


def _cell(options: dict[str, Option], task: str) -> str:
    return f"`{as_written(options[task].default)}`" if task in options else "-"


def key_tables() -> str:
    """Return the tables of keys and of replaced keys as Markdown."""
    rows = _rows()
    lines = [BEGIN]
    for group in GROUP_ORDER:
        lines += ["", f"### {group}", "", "| key | takes | classifier | squad | pretrain | meaning |"]
        lines.append("|---|---|---|---|---|---|")
        for name, options in rows.items():
            option = next(iter(options.values()))
            if option.group != group:
                continue
            takes = option.values.replace("|", ", ")
            note = " (only this value in this version)" if option.unavailable else ""
            defaults = " | ".join(_cell(options, task) for task in ("classifier", "squad", "pretrain"))
            lines.append(f"| `{name}` | {takes} | {defaults} | {option.description}{note} |")
    lines += ["", "### Keys and options that are gone", "", "| name | what to do in run_classifier.py |", "|---|---|"]
    known = {".".join(path[:1]) for path in list_options(SCHEMAS["classifier"])}
    for name in REPLACED:
        if name not in known:
            lines.append(f"| `{name}` | {replacement('classifier', name)} |".replace("<size>", "&lt;size&gt;"))
    return "\n".join([*lines, "", END])


def updated(text: str, path: Path) -> str:
    """Return ``text`` with its generated part renewed.

    Raises:
        ConfigError: ``text`` does not hold the two marks.
    """
    if BEGIN not in text or END not in text:
        raise ConfigError("the marks of the generated part are missing", str(path), f"put {BEGIN} and {END} into it")
    before, _, rest = text.partition(BEGIN)
    return before + key_tables() + rest.partition(END)[2]


def main(argv: Sequence[str]) -> int:
    """Renew the document; it takes no arguments."""
    if argv:
        raise ConfigError("unexpected argument", argv[0], "run it without arguments")
    write_text_atomic(DOCUMENT, updated(DOCUMENT.read_text(encoding="utf-8"), DOCUMENT))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
