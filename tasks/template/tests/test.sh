#!/bin/bash
# Reward 1 where every check passes, else 0. -I and -S: no module that the agent left is imported here.
cd / && python3 -I -S /tests/checks.py && reward=1 || reward=0

# Whatever lies here was not written by us, and a reward.json would be read before our reward.txt.
rm -rf /logs/verifier/reward.json /logs/verifier/reward.txt
echo "$reward" > /logs/verifier/reward.txt
