"""The regression gate: quick runs whose figures must stay within measured tolerances of a baseline (`check`)."""
