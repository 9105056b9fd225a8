"""Hot paths against reference implementations, as pytest-benchmark suites: `python -m pytest benchmarks`."""
