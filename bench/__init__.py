"""Measurements. `python -m bench` lists them; docs/benchmarks.md has figures and how to read them."""
