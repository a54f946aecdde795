"""The environment variables that Kilo runs with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from adapter.kilo.providers import GATEWAY

MARK = "KILOBENCH_RUN"
"""The variable by which the processes of a run are found again: whatever the agent starts inherits it."""
DATA, STATE = "xdg-data", "xdg-state"
"""Folders in the agent's log folder, where Kilo keeps its database and its own logs."""


def variables(
    logs: PurePosixPath,
    mark: str,
    *,
    provider: str,
    config: str,
    retries: int = 5,
    command_limit: int | None = None,
    has_project_config: bool = False,
    secrets: Mapping[str, str] | None = None,
    chosen: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The variables, besides those of the environment itself.

    Args:
        logs: the agent's log folder in the environment.
        mark: tells this run's processes from all others.
        provider: of the model.
        config: the value of `KILO_CONFIG_CONTENT`.
        retries: how often an LLM call that failed is tried again; without a limit Kilo waits for a network for ever.
        command_limit: the longest that a shell command of the agent's may take, in seconds; None for no limit.
        has_project_config: whether Kilo reads the configuration that lies in the project.
        secrets: the provider's keys.
        chosen: what the user set for this agent, which wins.
    """
    found = {
        **(secrets or {}),
        MARK: mark,
        "KILO_CONFIG_CONTENT": config,
        "XDG_DATA_HOME": str(logs / DATA),
        "XDG_STATE_HOME": str(logs / STATE),
        "KILO_SESSION_RETRY_LIMIT": str(retries),
        "KILO_DISABLE_AUTOUPDATE": "1",
        "KILO_DISABLE_SHARE": "1",
        "KILO_DISABLE_SESSION_INGEST": "1",
        "KILO_DISABLE_LSP_DOWNLOAD": "1",
        "KILO_DISABLE_CODEBASE_INDEXING": "1",
        "KILO_TELEMETRY_LEVEL": "off",
        "KILO_NO_DAEMON": "1",
    }
    if provider != GATEWAY:
        # The models and prices that the version came with, so that two runs of a version know the same ones.
        found["KILO_DISABLE_MODELS_FETCH"] = "1"
    if command_limit is not None:
        found["KILO_COMMAND_TIMEOUT_MAX_MS"] = str(command_limit * 1000)
    if not has_project_config:
        found["KILO_DISABLE_PROJECT_CONFIG"] = "1"
    wins = {key: value for key, value in (chosen or {}).items() if key in found and key != MARK}
    return found | wins
