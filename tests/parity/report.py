"""Print the largest differences to the reference implementations; exit status 1 when one is too large.

``python -m tests.parity.report``: live beside HF transformers on PyTorch, beside stored outputs of HF, and beside
stored outputs of google-research/albert where ``../shared/data`` is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.conftest import SHARED_DATA
from tests.parity.cases import (
    BASE_CASE,
    GOLDEN_CASES,
    SMALL_CASES,
    TOLERANCE,
    differences,
    random_batch,
    random_weights,
)
from tests.parity.goldens import start_piece_mismatches, stored_outcome, tokenization_mismatches
from tests.parity.ours import our_outcome
from tests.parity.pretraining import BASE, SMALL, pretraining_differences
from tests.parity.reference import reference_outcome
from tests.parity.squad_heads import SMALL as SMALL_SQUAD
from tests.parity.squad_heads import squad_differences

COLUMNS = ("hidden states", "pooled", "logits", "loss", "gradients")
MODES = {"graph": 0, "pynative": 1}


def show(name: str, mode: str, found: Mapping[str, float]) -> float:
    """Print one line and return its largest difference."""
    cells = [f"{found[column]:.2e}" if column in found else "-" for column in COLUMNS]
    print(f"{name:58}{mode:10}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
    return max(found.values())


def network_differences() -> float:
    """Compare networks and return the largest difference."""
    print(f"{'beside HF transformers':58}{'mode':10}" + "".join(f"{column:>15}" for column in COLUMNS))
    worst = 0.0
    for case in (*SMALL_CASES, BASE_CASE):
        weights, batch = random_weights(case), random_batch(case)
        reference = reference_outcome(case, weights, batch)
        for mode_name, mode in MODES.items():
            found = differences(our_outcome(case, weights, batch, mode), reference)
            worst = max(worst, show(case.name, mode_name, found))
    worst = max(worst, show("small pre-training (MLM and SOP)", "graph", pretraining_differences(SMALL, 12)))
    worst = max(worst, show("base pre-training (MLM and SOP)", "graph", pretraining_differences(BASE, 32)))
    for head in ("span", "beam"):
        found = squad_differences(head, SMALL_SQUAD, MODES["graph"])
        worst = max(worst, show(f"small SQuAD ({head})", "graph", found))
    for case in GOLDEN_CASES:
        weights = random_weights(case)
        found = differences(
            our_outcome(case, weights, random_batch(case), MODES["pynative"]), stored_outcome(case, weights)
        )
        worst = max(worst, show(f"stored: {case.name}", "pynative", found))
    return worst


def tokenizer_mismatches() -> int:
    """Compare the tokenizer with Google's stored outputs and return the number of mismatches."""
    if not SHARED_DATA.is_dir():
        print("beside google-research/albert: left out, ../shared/data is not here")
        return 0
    texts, text_count = tokenization_mismatches(SHARED_DATA)
    flags, flag_count = start_piece_mismatches(SHARED_DATA)
    print(f"beside google-research/albert: {texts} of {text_count} texts differ in normalised text, pieces or ids")
    print(f"beside google-research/albert: {flags} of {flag_count} start-piece flags differ")
    return texts + flags


def main() -> int:
    """Compare everything and return the exit status."""
    worst = network_differences()
    wrong = tokenizer_mismatches()
    verdict = "ok" if worst < TOLERANCE and not wrong else "TOO LARGE"
    print(f"largest absolute difference {worst:.2e}, allowed {TOLERANCE:.0e}; mismatches {wrong}, allowed 0: {verdict}")
    return 0 if verdict == "ok" else 1


if __name__ == "__main__":
    raise SystemExit(main())
