"""Store what HF transformers computes on tiny networks: ``python -m tests.goldens.make_model_goldens``.

Needs torch. Weights and inputs are not stored: tests/parity/cases.py draws them again from its seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.parity.cases import GOLDEN_CASES, random_batch, random_weights
from tests.parity.reference import reference_outcome

FOLDER = Path(__file__).resolve().parent / "model"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for case in GOLDEN_CASES:
        outcome = reference_outcome(case, random_weights(case), random_batch(case))
        # One flat vector, in the order of names: a zip entry for each gradient would be larger than its numbers.
        gradients = np.concatenate([outcome.gradients[name].ravel() for name in sorted(outcome.gradients)])
        arrays = {
            "hidden_states": np.stack(outcome.hidden_states),
            "logits": outcome.logits,
            "loss": outcome.loss,
            "gradients": gradients,
        }
        if outcome.pooled is not None:
            arrays["pooled"] = outcome.pooled
        path = FOLDER / f"{case.name}.npz"
        np.savez_compressed(path, **arrays)
        print(f"{path.name}: {len(arrays)} arrays, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
