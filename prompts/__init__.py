"""Floor 1: the criteria the judges apply, as versioned text files, and their loader."""

from prompts.loader import (
    AppliesTo,
    Change,
    Criterion,
    CriterionError,
    Label,
    SystemPrompt,
    bundled_criteria,
    load_criterion,
    load_folder,
    root_cause_prompt,
    system_prompt,
)

__all__ = [
    "AppliesTo",
    "Change",
    "Criterion",
    "CriterionError",
    "Label",
    "SystemPrompt",
    "bundled_criteria",
    "load_criterion",
    "load_folder",
    "root_cause_prompt",
    "system_prompt",
]
