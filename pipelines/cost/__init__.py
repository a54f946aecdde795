"""What a trial cost: at which step the money was spent, what for, and how much of it is not known."""

from pipelines.cost.attribute import attribute
from pipelines.cost.pricing import price_trial
from pipelines.cost.tokens import calls, tokens_in_all, trial_tokens

__all__ = ["attribute", "calls", "price_trial", "tokens_in_all", "trial_tokens"]
