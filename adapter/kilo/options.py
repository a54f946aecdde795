"""What can be chosen for a run of Kilo under Harbor: `harbor run --ak NAME=VALUE`."""

from __future__ import annotations

from harbor.agents.options import InstalledAgentOptions
from pydantic import Field

from adapter.kilo.config import Model
from adapter.kilo.install import DEFAULT_VERSION
from adapter.kilo.providers import api_address


class KiloOptions(InstalledAgentOptions):
    """The options, with the defaults that need no thought: a known version, Kilo's own agent, nothing from the task."""

    version: str | None = Field(
        default=DEFAULT_VERSION,
        description="Version of @kilocode/cli, or a tag of npm's: latest, rc. The one that was installed is recorded.",
    )
    allow_old: bool = Field(
        default=False, description="Install a version before 7.7, too, whose failures and tokens are not reliable."
    )
    variant: str | None = Field(default=None, description="Reasoning effort, by the model's own name of it.")
    reasoning_effort: str | None = Field(default=None, description="Another name of variant, which --effort sets.")
    agent: str | None = Field(default=None, description="Kilo's agent: code, ask, plan, ... Default: Kilo's own, code.")
    base_url: str | None = Field(
        default=None,
        description="Address of the model's API. A provider that Kilo does not know must speak chat completions there.",
    )
    api_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Variable with the API's key. Default: the provider's own, or PROVIDER_API_KEY.",
    )
    register_model: bool = Field(
        default=False, description="Use a model of a known provider that this version of Kilo does not list."
    )
    price_input: float | None = Field(default=None, ge=0, description="US dollars per million prompt tokens.")
    price_output: float | None = Field(default=None, ge=0, description="US dollars per million completion tokens.")
    price_cache_read: float | None = Field(default=None, ge=0, description="US dollars per million cached tokens.")
    price_cache_write: float | None = Field(
        default=None, ge=0, description="US dollars per million tokens written to the cache."
    )
    context_limit: int | None = Field(
        default=None, gt=0, description="Tokens that the model can hold; Kilo compacts its context by it."
    )
    output_limit: int | None = Field(default=None, gt=0, description="Tokens of the model's longest answer.")
    web: bool = Field(default=True, description="Whether the agent may fetch pages and search the web.")
    disable_web_search: bool = Field(default=False, description="Harbor's name for web=false.")
    project_config: bool = Field(
        default=False,
        description="Whether Kilo reads the kilo.json and .kilo of the task. AGENTS.md is read in either case.",
    )
    retries: int = Field(default=5, ge=0, le=100, description="How often an LLM call that failed is tried again.")
    request_timeout_sec: int = Field(default=600, gt=0, description="Seconds that one LLM call may take.")
    command_timeout_sec: int | None = Field(
        default=None, gt=0, description="Seconds that one shell command of the agent's may take at most."
    )

    def model(self, provider: str, name: str, address: str | None) -> Model:
        """The model that is asked for, with what was chosen of it.

        Args:
            provider: as Kilo names it.
            name: of the model.
            address: of the API by the environment, where none was chosen.

        Raises:
            BadInputError: the address cannot be one.
        """
        prices = {
            "input": self.price_input,
            "output": self.price_output,
            "cache_read": self.price_cache_read,
            "cache_write": self.price_cache_write,
        }
        limits = {"context": self.context_limit, "output": self.output_limit}
        base_url = self.base_url or address
        return Model(
            provider=provider,
            name=name,
            base_url=None if base_url is None else api_address(provider, base_url),
            key_variable=self.api_key_env,
            price={key: value for key, value in prices.items() if value is not None},
            limit={key: value for key, value in limits.items() if value is not None},
            is_new=self.register_model,
            request_timeout=self.request_timeout_sec,
            silence_timeout=min(300, self.request_timeout_sec),
        )
