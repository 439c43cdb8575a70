"""The line to the cluster: started where there is none, connected to, asked what it has."""

from __future__ import annotations

import logging
import platform
import threading
import time
from typing import Any

from kdcore.errors import RunError
from kdcore.runs.cluster import address, answers
from kdcore.runs.processes import LOG, started
from kdcore.settings import Settings

log = logging.getLogger(__name__)

START_SECONDS = 30.0
CONNECT_SECONDS = 10.0

HERE = f"{platform.node()} "
"""Before the address of a cluster of ours, in what a run remembers."""


class Line:
    """A client of the cluster, connected when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: Any = None
        self._connecting = threading.Lock()

    @property
    def workers(self) -> int:
        """How many tasks are worked on at a time; 1 while the engine is not there yet."""
        client = self._client
        return workers_of(client) if client is not None and client.status == "running" else 1

    def close(self) -> None:
        """Let go of the cluster; it and its runs go on."""
        with self._connecting:
            self._drop_client()

    def _connected(self) -> Any:
        with self._connecting:
            if self._client is not None and self._client.status == "running":
                return self._client
            self._drop_client()
            self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        from distributed import Client

        external = self.settings.scheduler
        scheduler = external or self._local_cluster()
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            advice = "check KDCORE_SCHEDULER, or unset it to use this machine"
            raise RunError(
                f"no Dask scheduler answers at {scheduler} ({error}); "
                f"{advice if external else 'try again in a moment'}"
            ) from None
        if external:
            _warm_all(client)
        return client

    def _local_cluster(self) -> str:
        home = self.settings.home
        found = address(home)
        if found is not None:
            return found
        process = started(self.settings, "cluster")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = address(home)
            if found is not None:
                return found
            if process.poll() not in (None, 0):
                break
            time.sleep(0.1)
        raise RunError(
            f"the engine did not start within {START_SECONDS:.0f} s; its log is {home / LOG}"
        )

    def _cluster(self, client: Any) -> str:
        """How a run remembers the cluster it was handed to: one of ours, by machine and address."""
        return self.settings.scheduler or f"{HERE}{client.scheduler.address}"

    def _keys(self, cluster: str | None) -> set[str] | None:
        """Keys of all tasks that a cluster's scheduler has, none where there is no scheduler; None
        where it is not for us to say: another machine's, or one we have not been told to use.
        """
        if cluster is None:
            return set()
        if cluster != self.settings.scheduler and not cluster.startswith(HERE):
            return None
        scheduler = cluster.removeprefix(HERE)
        if not answers(scheduler):
            return set()
        if scheduler == self._cluster(self._connected()).removeprefix(HERE):
            return keys_of(self._connected())
        from distributed import Client

        # one of an older state of the code, that finishes what it has
        with Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False) as older:
            return keys_of(older)

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close(timeout=1)
            self._client = None


def workers_of(client: Any) -> int:
    """How many tasks its cluster works on at a time, 1 at least."""
    return max(1, len(addresses(client, -1)))


def addresses(client: Any, count: int) -> list[str]:
    """Of so many of its workers at most, -1 for all; none where the cluster has just ended."""
    try:
        return list(client.scheduler_info(n_workers=count)["workers"])
    except Exception as error:  # whatever a closing line raises; who needs it connects anew
        log.warning("no answer from the cluster: %s", error)
        return []


def keys_of(client: Any) -> set[str]:
    """Keys of its tasks that are not over yet."""

    def tasks(dask_scheduler: Any = None) -> list[str]:
        # nested, so that it travels by value: the scheduler need not have kdcore
        alive = ("waiting", "no-worker", "queued", "processing")
        return [str(k) for k, task in dask_scheduler.tasks.items() if task.state in alive]

    return set(client.run_on_scheduler(tasks))


def _warm_all(client: Any) -> None:
    from distributed import fire_and_forget

    def warm_up() -> None:
        from kdcore.runs.preload import warm_up

        warm_up()

    for worker in addresses(client, -1):
        fire_and_forget(client.submit(warm_up, workers=[worker], pure=False))
