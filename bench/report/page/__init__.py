"""The leaderboard as a static page: one folder that any browser opens from disk, without server or network.

Made from result files alone (and pictures that were written beforehand). Imports no torch.
"""

from bench.report.page.write import Page, write_page

__all__ = ["Page", "write_page"]
