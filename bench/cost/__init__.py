"""What a method on a backbone costs, measured for its own sake: the verb `profile`.

A run's own, shorter measurement is `bench.profile`; what is measured here, and how, is in docs/performance.md.
"""
