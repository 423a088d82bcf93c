"""Trained networks as files for other programs: written, described, verified, opened again."""
