from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from benchmarks.recompute_memory import Row, compare, main, parse, pool_peak_mb, run_case
from benchmarks.train_case import Case, Measured, case_of
from src.common.errors import ConfigError, DeviceError
from tests.parity.cases import small_config

POOL = "[MS_RUNTIME_PROF]Common mem pool info: Total allocated mem:1024M, peak used mem:325M, in used mem:0M"


def measured(peak_mb: float, loss: float = 2.0, norm: float = 3.0, step_s: float = 1.0) -> Measured:
    return Measured(1000, 500.0, peak_mb, step_s, [2.5, loss], [1.0, norm])


def small_case(recompute: bool) -> Case:
    config = small_config(recompute=recompute, vocab_size=500, num_hidden_layers=3)
    return Case(config.model_dump(), batch=4, length=12, steps=2)


def test_the_pools_peak_is_found_in_what_mindspore_prints() -> None:
    assert pool_peak_mb(f"noise\n{POOL}, more\n") == 325
    assert pool_peak_mb("peak used mem:325M of another pool") is None


def test_two_rows_are_compared() -> None:
    without = Row("xlarge", 24, False, 400, measured(1000))
    with_it = Row("xlarge", 24, True, 300, measured(1100, loss=2.001, norm=2.5, step_s=1.5))
    text = "\n".join(compare(without, with_it))
    assert "tensors -100 MB (-25 %), process +100 MB (+10 %), time x1.50" in text
    assert "over 2 steps: loss 1.0e-03, gradient norm 5.0e-01" in text


def test_a_pool_that_tells_nothing_is_left_out() -> None:
    rows = [Row("base", 1, flag, None, measured(100)) for flag in (False, True)]
    assert "tensors" not in compare(*rows)[0]
    assert " - " in rows[0].line()


def test_cases_differ_in_recompute_alone_and_have_no_dropout() -> None:
    plain, again = (case_of("xlarge", 2, 1, 8, 1, flag).network for flag in (False, True))
    assert {name for name in plain if plain[name] != again[name]} == {"recompute"}
    assert (plain["hidden_size"], plain["num_hidden_layers"], plain["hidden_dropout_prob"]) == (2048, 2, 0.0)
    assert case_of("xxlarge", None, 1, 8, 1, True).network["num_hidden_layers"] == 12


def test_main_measures_each_size_twice(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Case] = []

    def fake(case: Case) -> tuple[Measured, int | None]:
        seen.append(case)
        return measured(100), 50

    assert main(["--sizes", "xlarge,base", "--layers", "2", "--length", "64"], fake) == 0
    assert [case.network["recompute"] for case in seen] == [False, True] * 2
    assert {(case.batch, case.length, case.steps) for case in seen} == {(2, 64, 2)}
    assert capsys.readouterr().out.count("recompute changes") == 2


@pytest.mark.parametrize(
    "wrong", [["--sizes", "huge"], ["--sizes", ""], ["--batch", "0"], ["--length", "513"], ["--layers", "x"]]
)
def test_wrong_options_are_refused(wrong: list[str]) -> None:
    with pytest.raises(ConfigError, match=wrong[0]):
        parse(wrong)


def test_a_process_that_fails_is_named() -> None:
    case = Case({"hidden_size": 7, "num_attention_heads": 2}, batch=1, length=8, steps=1)
    with pytest.raises(DeviceError, match=r"ended with status 1: .*ValidationError: 1 validation error"):
        run_case(case)


@pytest.mark.slow
def test_processes_measure_and_recompute_changes_no_number() -> None:
    found = [run_case(small_case(recompute)) for recompute in (False, True)]
    (plain, pool_mb), (again, _) = found
    assert pool_mb is not None
    assert plain.peak_mb > 0
    assert plain.losses == pytest.approx(again.losses, abs=1e-5)
    assert plain.grad_norms == pytest.approx(again.grad_norms, rel=1e-4)
    assert json.loads(json.dumps(asdict(plain))) == asdict(plain)
