"""The tables that every view works on, and that are handed on: their columns, checked.

Missing is missing (`<NA>`), never 0 and never NaN standing for 0. Money is in US dollars, time in seconds,
tokens are counts in one convention (`adapter.trial.Tokens`).
"""

from views.tables.columns import Columns, frame
from views.tables.parts import Parts, joined, read_table
from views.tables.records import ACTIONS, CALLS, CRITERIA, PARTS, STEPS, TRIALS
from views.tables.variants import BEHAVIOUR, COUNTED, FINGERPRINTS, SPENT, VARIANTS

__all__ = [
    "ACTIONS",
    "BEHAVIOUR",
    "CALLS",
    "COUNTED",
    "CRITERIA",
    "FINGERPRINTS",
    "PARTS",
    "SPENT",
    "STEPS",
    "TRIALS",
    "VARIANTS",
    "Columns",
    "Parts",
    "frame",
    "joined",
    "read_table",
]
