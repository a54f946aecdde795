"""Where prices are looked up: the user's own first, then the table that LiteLLM brings along."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapter.files import is_there
from adapter.home import home
from adapter.litellm_prices import find_price
from adapter.models import explicit
from adapter.price import Price
from adapter.price_file import OwnPrices, read_prices

__all__ = ["BUNDLED", "Price", "PriceBook", "find_price", "is_free"]

_LOCAL = frozenset({"docker_model_runner", "lemonade", "llamafile", "lm_studio", "ollama", "oobabooga"})
"""LiteLLM's names of what serves models on the user's own machine. (vLLM's are served by anyone, at any price.)"""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Where prices are looked up: the user's own first, then the table that LiteLLM brings along.

    Attributes:
        own: the user's own; None when there are none.
    """

    own: OwnPrices | None = None

    @classmethod
    def of(cls, path: Path | None = None) -> PriceBook:
        """The prices in a file and LiteLLM's; without a path, the file is `prices.toml` in kilobench's home, if any.

        Raises:
            BadInputError: the file cannot be read, or is no file of prices.
        """
        if path is None:
            path = home() / "prices.toml"
            if not is_there(path):
                return BUNDLED
        return cls(read_prices(path))

    def find(self, provider: str | None, model: str, at: datetime | None = None) -> Price | None:
        """The price of a model at a time; None when nothing holds it, or holds it without a price."""
        own = None if self.own is None else self.own.find(provider, model, at)
        return find_price(provider, model) if own is None else own


BUNDLED = PriceBook()
"""LiteLLM's table alone."""


def is_free(provider: str | None, model: str) -> bool:
    """Whether a model costs nothing by its nature, so that a recorded cost of 0 is what it cost.

    That is so of names that end with `:free` (OpenRouter's mark, which other gateways have taken over), and of
    what runs on the user's own machine. Ollama's `-cloud` models do not. A price of 0 in LiteLLM's table is no sign
    of it: most of these say that the price is not known, or that a subscription covers it.
    """
    named = explicit(model, provider)
    if named.name.endswith(":free"):
        return True
    return named.provider in _LOCAL and not named.name.endswith(("-cloud", ":cloud"))
