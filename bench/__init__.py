"""dgss-bench: how well do vision foundation models carry street-scene segmentation into unseen domains."""

import os

# Before torch is imported: threads that wait for one another sleep instead of spinning. Rendering and augmentation
# share the cores with the model; on a busy two-core machine spinning took 3 to 4 times the CPU seconds a step needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
