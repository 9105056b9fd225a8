"""Figures that papers and repositories print: records of their own, never runs, for they have no confusion matrices.

``results/reported/*.csv`` holds them in the wording of their sources, a file for each publication or repository.
``names.toml`` beside them says what the wordings mean in this suite, ``notes.toml`` what the notes state of how was
tested. Nothing is corrected: a printed mean that does not follow from its columns is flagged. Imports no torch.
"""

from bench.reported.load import FOLDER, Reported, load_reported
from bench.reported.records import MEAN, UNSTATED, Figure, Printed, ReportedProtocol

__all__ = ["FOLDER", "MEAN", "UNSTATED", "Figure", "Printed", "Reported", "ReportedProtocol", "load_reported"]
