"""Reports: pure functions of result files. Scores are always derived from the confusion matrices."""
