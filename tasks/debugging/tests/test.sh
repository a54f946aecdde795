#!/bin/bash
# `reward` is 1 where all is well, else 0; `symptoms_gone` is the share of the three that are. -I and -S: no module that
# the agent left is imported here.
cd / && rewards=$(python3 -I -S /tests/checks.py) || rewards='{"reward": 0, "symptoms_gone": 0.0}'

# Whatever lies here was not written by us.
rm -rf /logs/verifier/reward.json /logs/verifier/reward.txt
echo "$rewards" > /logs/verifier/reward.json
