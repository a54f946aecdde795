"""Floor 1: the criteria the judges apply, as versioned text files, and their loader."""

from prompts.loader import Change, Criterion, CriterionError, Label, bundled_criteria, load_criterion

__all__ = ["Change", "Criterion", "CriterionError", "Label", "bundled_criteria", "load_criterion"]
