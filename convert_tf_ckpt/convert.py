"""Convert weights between TensorFlow, Hugging Face and MindSpore: ``python convert_tf_ckpt/convert.py --help``."""

from __future__ import annotations

import sys

from project_command import run

if __name__ == "__main__":
    sys.exit(run("src.weights.convert_command"))
