"""Where kilobench keeps what is its own."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


def home() -> Path:
    """The folder `KILOBENCH_HOME`, else one in the user's data folder."""
    chosen = os.environ.get("KILOBENCH_HOME")
    return Path(chosen).expanduser() if chosen else user_data_path("kilobench")
