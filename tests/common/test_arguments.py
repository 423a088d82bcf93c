from __future__ import annotations

import pytest

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError


def parser() -> OneLineParser:
    made = OneLineParser(prog="tool.py")
    made.add_argument("--rows", type=int, default=3)
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("show").add_argument("--colour", required=True)
    commands.add_parser("hide").add_argument("--depth")
    return made


def test_options_are_read() -> None:
    options = parser().parse(["--rows", "7", "show", "--colour", "red"])
    assert (options.rows, options.command, options.colour) == (7, "show", "red")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: command -> see tool.py --help"),
        (["--rows", "x", "show"], "argument --rows: invalid int value: 'x' -> see tool.py --help"),
        (["show"], "the following arguments are required: --colour -> see tool.py show --help"),
        (["show", "--colour", "red", "--row", "3"], "unknown option --row -> did you mean --rows?"),
        (["show", "--colour", "red", "--color=blue"], "unknown option --color -> did you mean --colour?"),
        (["show", "--colour", "red", "green"], "unknown argument green -> see tool.py show --help"),
        # An option of another command is no advice.
        (["show", "--colour", "red", "--depth", "3"], "unknown option --depth -> see tool.py show --help"),
        (["show", "--col", "red"], "the following arguments are required: --colour -> see tool.py show --help"),
    ],
)
def test_a_mistake_is_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parser().parse(argv)
    assert str(raised.value) == message
    assert capsys.readouterr() == ("", "")
