"""Runs every benchmark: `make bench`, or `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import os
import sys

os.environ |= {
    "OPIK_SENTRY_ENABLE": "false",
    "OPIK_ANALYTICS_ENABLE": "false",
    "HARBOR_TELEMETRY": "off",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}

from benchmarks import (
    calibration,
    compare,
    cost,
    data,
    decisive,
    gate,
    judge_calls,
    judge_rate,
    judge_tokens,
    reading,
    redaction,
    rerun,
    root_cause,
    scale,
    sending,
    start,
    store,
)

ALL = {
    "start": start.main,
    "reading": reading.main,
    "sending": sending.main,
    "rerun": rerun.main,
    "redaction": redaction.main,
    "store": store.main,
    "cost": cost.main,
    "compare": compare.main,
    "calibration": calibration.main,
    "gate": gate.main,
    "root-cause": root_cause.main,
    "decisive": decisive.main,
    "judge-calls": judge_calls.main,
    "judge-rate": judge_rate.main,
    "judge-tokens": judge_tokens.main,
    "scale": scale.main,
}

print(f"measured on {data.folder().name}")
for name in sys.argv[1:] or ALL:
    ALL[name]()
