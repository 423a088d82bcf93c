"""Put the .npy files of read_weight_tf.py together into a MindSpore checkpoint."""

from __future__ import annotations

import sys

from project_command import run

if __name__ == "__main__":
    sys.exit(run("src.weights.save_weight_command"))
