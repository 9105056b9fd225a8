"""Data: cards that say where images lie, one reader, transforms and corruptions."""
