"""What a method on a backbone costs: the verb `profile`, and the cost part of every run.

Every run has a shorter measurement of the same figures (`bench.cost.of_run`); what is measured, and how, is in
docs/performance.md.
"""
