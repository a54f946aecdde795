"""Deterministic rules: what can be said about a step for certain and without a model.

A rule speaks only of what it sees. A step that no rule flags has no verdict, which is not a good one.
"""

from judges.rules.apply import RULES, judge
from judges.rules.rule import Flag, Rule

__all__ = ["RULES", "Flag", "Rule", "judge"]
