"""dgss-bench: how well do vision foundation models carry street-scene segmentation into unseen domains."""

import os

# Before torch is imported: how long its threads spin for one another before they sleep. Without any spinning
# (OMP_WAIT_POLICY=PASSIVE) a training step on `streets` takes twice as long on two quiet cores, 0.17 s against 0.09;
# libgomp's default, three times this, was no faster, and long spinning beside other work took 3 to 4 times the CPU
# seconds a step needs.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

__version__ = "0.1.0"
