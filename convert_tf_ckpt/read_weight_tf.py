"""Write the weights of a TensorFlow checkpoint as one .npy file each, under MindSpore's names."""

from __future__ import annotations

import sys

from project_command import run

if __name__ == "__main__":
    sys.exit(run("src.weights.read_weight_command"))
