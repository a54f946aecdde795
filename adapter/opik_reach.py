"""An Opik as other processes reach it: by its address. Each has the key by its own configuration."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import lru_cache

from adapter.errors import KilobenchError
from adapter.opik_connection import Connection, check_answers, is_loopback, open_client
from adapter.opik_store import OpikStore


@dataclass(frozen=True, slots=True)
class Reach:
    """What a process on any machine needs to open the same project; it can be pickled.

    Attributes:
        url: the API's address.
        project: the project's name.
        workspace: the workspace's name.
        shown: the address as it may be shown.
        machine: the name of the machine that it was found from: an address on loopback means that one.
    """

    url: str
    project: str
    workspace: str
    shown: str
    machine: str

    @classmethod
    def of(cls, store: OpikStore) -> Reach:
        """How the project of a store is reached from elsewhere."""
        connection = store.connection
        url = connection.client.config.url_override
        return cls(url, store.project, connection.workspace, connection.address, platform.node())


@lru_cache(maxsize=1)
def store_at(reach: Reach) -> OpikStore:
    """The project, opened once for all trials that this process sends to it.

    Raises:
        BadInputError: what answers there is no Opik, or refuses the workspace or key.
        IncompleteError: Opik refuses, or does not answer.
    """
    os.environ.setdefault("OPIK_SENTRY_ENABLE", "false")
    os.environ.setdefault("OPIK_ANALYTICS_ENABLE", "false")
    client = open_client(reach.url, reach.project, reach.workspace)
    check_answers(client, reach.url.rstrip("/"))
    return OpikStore(Connection(client, reach.shown, reach.workspace, is_embedded=False), reach.project)


def why_out_of_reach(reach: Reach) -> str | None:
    """Why this process cannot store anything there; None where it can."""
    if is_loopback(reach.url) and platform.node() != reach.machine:
        return f"it is on the loopback of {reach.machine}, and the worker runs on {platform.node()}"
    try:
        # One that was opened by an earlier run may have gone since.
        check_answers(store_at(reach).connection.client, reach.url.rstrip("/"))
    except KilobenchError as error:
        return error.what
    return None
