"""ALBERT on MindSpore: the library behind the entry scripts."""
