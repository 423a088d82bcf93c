"""Print the largest differences to HF transformers: ``python -m tests.parity.report``; exit status 1 above 1e-4."""

from __future__ import annotations

from tests.parity.cases import BASE_CASE, SMALL_CASES, TOLERANCE, differences, random_batch, random_weights
from tests.parity.ours import our_outcome
from tests.parity.reference import reference_outcome

COLUMNS = ("hidden states", "pooled", "logits", "loss", "gradients")
MODES = {"graph": 0, "pynative": 1}


def main() -> int:
    print(f"{'case':58}{'mode':10}" + "".join(f"{column:>15}" for column in COLUMNS))
    worst = 0.0
    for case in (*SMALL_CASES, BASE_CASE):
        weights, batch = random_weights(case), random_batch(case)
        reference = reference_outcome(case, weights, batch)
        for mode_name, mode in MODES.items():
            found = differences(our_outcome(case, weights, batch, mode), reference)
            cells = [f"{found[column]:.2e}" if column in found else "-" for column in COLUMNS]
            print(f"{case.name:58}{mode_name:10}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
            worst = max(worst, *found.values())
    verdict = "ok" if worst < TOLERANCE else "TOO LARGE"
    print(f"largest absolute difference {worst:.2e}, allowed {TOLERANCE:.0e}: {verdict}")
    return 0 if worst < TOLERANCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
