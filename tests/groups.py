"""Which tests share a process, and which go first."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

TOGETHER = ("browser", "pages", "clustered")
"""Folders whose files share what is slow to make: a browser, runs that were run, a cluster."""

LONG = (
    *("browser", "pages", "clustered", "test_own_network", "test_export"),
    *("test_cli", "test_together", "test_own_runs", "test_searches", "test_models", "test_stages"),
    *("test_pruning", "test_cluster", "test_schemes", "test_zoo"),
)
"""Longest first: one that began last would be waited for alone."""


def group(nodeid: str) -> str:
    """The file of a test, or the folder where its files stay together."""
    path = PurePosixPath(nodeid.split("::")[0])
    return path.parent.name if path.parent.name in TOGETHER else path.stem


def turn(nodeid: str) -> int:
    """The place in the order in which groups begin; the same for all short ones."""
    return LONG.index(group(nodeid)) if group(nodeid) in LONG else len(LONG)


def scheduler(config: pytest.Config, log: object) -> object:
    """Hands whole groups to xdist's processes, in the order in which they were collected.

    xdist does so itself by a mark, but not with a pytest since 9.2: there it leaves each test to
    whichever process is free, without a word, and every fixture of a file is made in both.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    config.option.loadscopereorder = False
    return Grouped(config, log)
