"""Errors, atomic files, logging, run directories: used by every layer."""
