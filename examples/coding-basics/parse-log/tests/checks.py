"""Compares /app/errors.json with the true counts; one argument: where the rewards go."""

import json
import sys
from pathlib import Path

EXPECTED = {"2026-03-02T08": 2, "2026-03-02T09": 4, "2026-03-02T11": 3, "2026-03-02T12": 1}


def found() -> dict:
    try:
        counts = json.loads(Path("/app/errors.json").read_text())
    except FileNotFoundError:
        print("FAIL: /app/errors.json is not there")
        return {}
    except ValueError as error:
        print(f"FAIL: /app/errors.json is not JSON: {error}")
        return {}
    if not isinstance(counts, dict):
        print("FAIL: /app/errors.json is not an object")
        return {}
    return counts


counts = found()
hours = EXPECTED.keys() | counts.keys()
wrong = sorted(hour for hour in hours if EXPECTED.get(hour) != counts.get(hour))
for hour in wrong:
    print(f"FAIL: {hour}: expected {EXPECTED.get(hour)}, found {counts.get(hour)}")
share = round(1 - len(wrong) / len(hours), 3)
print(f"{len(hours) - len(wrong)} of {len(hours)} hours are right")
Path(sys.argv[1]).write_text(json.dumps({"reward": int(not wrong), "hours_right": share}))
