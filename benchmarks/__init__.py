"""What is said to be fast, measured: `python -m benchmarks.NAME`. Not packaged."""
