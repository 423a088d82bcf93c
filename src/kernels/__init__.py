"""Fused operators for the CPU in C++, compiled on the machine that uses them."""
