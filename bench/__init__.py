"""Benchmarks: `python -m bench codec|engine|loopback|broker`; docs/benchmarks.md says how to read them."""
