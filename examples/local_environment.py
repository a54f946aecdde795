"""Where the jobs of this folder say that their environment is; it is kilobench's own, and no sandbox.

Commands run with the rights of whoever started Harbor: use it for tasks and agents that you trust, such as those of
this folder (docs/local-environment.md).
"""

from adapter.local_environment import LocalEnvironment

__all__ = ["LocalEnvironment"]
