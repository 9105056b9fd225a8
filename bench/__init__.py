"""dgss-bench: how well do vision foundation models carry street-scene segmentation into unseen domains."""

__version__ = "0.1.0"
