"""Where the work on each trial is done: in this process, in processes beside it, or on Dask's workers.

What is done is a plain function of one trial, so that each engine gives the same, and the results come in the trials'
order.
"""

from pipelines.engine.local import IN_PROCESS, Engine, LocalEngine

__all__ = ["IN_PROCESS", "Engine", "LocalEngine"]
