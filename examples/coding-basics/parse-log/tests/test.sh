#!/bin/bash
# `reward` is 1 when every hour is right, else 0; `hours_right` is the share of hours that are.
python3 /tests/checks.py /logs/verifier/reward.json
