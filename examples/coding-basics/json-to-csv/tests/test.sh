#!/bin/bash
# Reward 1 when every check passes, else 0.
if PYTHONPATH=/app python3 /tests/checks.py; then
  echo 1 > /logs/verifier/reward.txt
else
  echo 0 > /logs/verifier/reward.txt
fi
