"""Kilo Code under Harbor: installed, run unattended, and its session turned into ATIF."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from pathlib import PurePosixPath
from typing import Annotated, Any, override

from harbor.agents.capabilities import AgentCapabilities
from harbor.agents.installed import base as errors
from harbor.agents.installed.base import BaseInstalledAgent, NonZeroAgentExitCodeError, with_prompt_template
from harbor.agents.model_connection import ModelConnectionSpec
from harbor.agents.options import Cli, InstalledAgentOptions
from harbor.environments.base import BaseEnvironment
from harbor.models.agent.context import AgentContext
from harbor.models.task.config import NetworkMode
from harbor.utils.trajectory_utils import format_trajectory_json
from pydantic import Field

from adapter.errors import BadInputError
from adapter.kilo.atif import trajectory_of
from adapter.kilo.outcome import Failed, Failure, outcome
from adapter.kilo.settings import Server, Settings, config, end_command, environment, run_command
from adapter.kilo.source import read_log
from adapter.kilo.versions import DEFAULT_VERSION, ON_PATH, install_script, refused, version_in

_NEEDED = ("bash", "nodejs", "npm")
_USEFUL = ("ca_certificates", "git", "ripgrep")
"""Without them Kilo runs, and some of its tools do not."""
_SHOWN = 400


class KiloOptions(InstalledAgentOptions):
    """What `--ak NAME=VALUE` sets."""

    version: str | None = Field(default=DEFAULT_VERSION, description="Kilo's version, or a dist-tag: latest, rc.")
    variant: Annotated[str | None, Cli("--variant")] = Field(default=None, description="Reasoning effort.")
    agent: Annotated[str | None, Cli("--agent")] = Field(default=None, description="Kilo's agent, by default code.")
    allow_old: bool = Field(default=False, description="Run versions before 7.7, too.")
    base_url: str | None = Field(default=None, description="Of an OpenAI-compatible API that speaks chat completions.")
    key_env: str | None = Field(default=None, description="The variable that holds its key.")
    rates: dict[str, float] = Field(default_factory=dict, description="USD per million tokens, as Kilo names them.")
    context: int | None = Field(default=None, description="Tokens of the model's context, where Kilo does not know.")
    project_config: bool = Field(default=True, description="Heed the task's own Kilo configuration and AGENTS.md.")
    kilo_config: dict[str, Any] = Field(default_factory=dict, description="A configuration that comes before ours.")
    system_packages: bool = Field(default=True, description="Install npm, git and ripgrep where they lack.")
    web: bool = Field(default=True, description="Leave the web tools on, where the task allows the network.")


class KiloCode(BaseInstalledAgent):
    """The Kilo Code CLI, run by `kilo run --auto`."""

    capabilities = AgentCapabilities(atif=True, skills=True, mcp_servers=True)
    MODEL_CONNECTION = ModelConnectionSpec(passthrough=True)
    options_model = KiloOptions
    options: KiloOptions

    @staticmethod
    @override
    def name() -> str:
        return "kilo"

    @override
    def get_version_command(self) -> str | None:
        return f"{ON_PATH}; kilo --version"

    @override
    def parse_version(self, stdout: str) -> str:
        return version_in(stdout) or "unknown"

    @override
    async def install(self, environment: BaseEnvironment) -> None:
        """Installs the version, unless it is there already, and checks that it is one that can be run.

        Raises:
            RuntimeError: it cannot be installed, or is too old.
        """
        spec = (self._version or DEFAULT_VERSION).removeprefix("v")
        self._check(spec)
        there = await environment.exec(command=f"{ON_PATH}; kilo --version")
        if version_in(there.stdout or "") == spec:
            self._version = spec
            return
        if self.options.system_packages:
            await self.ensure_system_dependencies(environment, _NEEDED)
            try:
                await self.ensure_system_dependencies(environment, _USEFUL)
            except NonZeroAgentExitCodeError as error:
                self.logger.warning("Kilo's search and git tools may not work: %s", error)
        result = await environment.exec(command=install_script(spec))
        if result.return_code != 0:
            said = [line for line in f"{result.stdout}\n{result.stderr}".splitlines() if "npm err" in line.lower()]
            why = " ".join(said)[:_SHOWN] or "npm does not say why."
            raise RuntimeError(f"Kilo Code {spec} cannot be installed. {why}")
        told = await self.exec_as_agent(environment, command=f"{ON_PATH}; kilo --version")
        self._version = self.parse_version(told.stdout or "")
        self._check(self._version)

    def _check(self, version: str) -> None:
        problem = refused(version, allow_old=self.options.allow_old)
        if problem is not None:
            raise RuntimeError(problem.reason)

    @override
    @with_prompt_template
    async def run(self, instruction: str, environment: BaseEnvironment, context: AgentContext) -> None:
        """Runs Kilo on the instruction; however it ends, none of its processes stays.

        Raises:
            ValueError: the model is not named with its provider.
            NonZeroAgentExitCodeError: the run failed; its class says by what.
        """
        folder = PurePosixPath(self.environment_logs_dir).as_posix()
        settings, mark = self._settings(environment), uuid.uuid4().hex
        variables = dict(self.model_connection.env) | _variables(folder, mark, settings, self.options)
        await self._preflight(environment, settings, variables)
        await self._upload_config_text(
            environment, content=instruction, remote_path=f"{folder}/instruction.txt", filename="instruction.txt"
        )
        model = shlex.quote(f"{settings.provider}/{settings.model}")
        command = run_command(model, shlex.quote(folder), [flags] if (flags := self.build_cli_flags()) else [])
        try:
            await self.exec_as_agent(environment, command=f"{ON_PATH}; {command}", env=variables)
        finally:
            # Also where Harbor's time is up: what still runs would go on under the verifier.
            await asyncio.shield(environment.exec(command=end_command(mark)))
        failed = await self._outcome(environment, folder)
        if failed is not None:
            raise _error(failed)

    def _settings(self, environment: BaseEnvironment) -> Settings:
        provider, slash, model = (self.model_name or "").partition("/")
        if not slash or not model:
            raise ValueError(f"-m {self.model_name}: name the model with its provider, such as anthropic/claude-opus-4")
        own = self.options.base_url
        skills = (str(self.skills_dir),) if self.skills_dir else ()
        return Settings(
            provider=provider,
            model=model,
            base_url=own or self.model_connection.configured_base_url,
            chat_only=own is not None,
            key_env=self.options.key_env,
            rates=self.options.rates,
            context=self.options.context,
            servers=tuple(
                Server(one.name, url=one.url)
                if one.transport != "stdio"
                else Server(one.name, command=(one.command or "", *one.args))
                for one in self.mcp_servers
            ),
            skills=skills,
            web=self.options.web and _has_network(environment),
            overlay=self.options.kilo_config,
        )

    async def _preflight(self, environment: BaseEnvironment, settings: Settings, variables: dict[str, str]) -> None:
        """Asks Kilo for the provider's models: a missing key would look like an unknown model later."""
        listed = await environment.exec(
            command=f"{ON_PATH}; kilo models {shlex.quote(settings.provider)}", env=variables, timeout_sec=120
        )
        known = [line.strip() for line in (listed.stdout or "").splitlines()]
        if f"{settings.provider}/{settings.model}" in known:
            return
        if not any(one.startswith(f"{settings.provider}/") for one in known):
            message = f"Kilo knows no model of {settings.provider}: is its key in the environment?"
            raise errors.AgentAuthenticationError(message)
        raise errors.ModelNotFoundError(f"Kilo knows no model {settings.model} of {settings.provider}.")

    async def _outcome(self, environment: BaseEnvironment, folder: str) -> Failed | None:
        """What the run left, where Harbor may not have fetched it yet."""
        kept = '"type":"(error|step_finish)"'
        here = shlex.quote(folder)
        stream = await environment.exec(command=f"grep -E '{kept}' {here}/kilo.jsonl | tail -n 200 || true")
        code = await environment.exec(command=f"cat {here}/kilo.exit || true")
        said = (code.stdout or "").strip()
        return outcome(int(said) if said.lstrip("-").isdigit() else None, stream.stdout or "")

    @override
    def populate_context_post_run(self, context: AgentContext) -> None:
        """Turns what Kilo kept into `trajectory.json`, and tells Harbor what it used."""
        try:
            trajectory = trajectory_of(read_log(self.logs_dir))
        except BadInputError as error:
            self.logger.warning("Kilo's session cannot be read: %s %s", error.what, error.hint)
            return
        written = format_trajectory_json(trajectory.to_json_dict())
        (self.logs_dir / "trajectory.json").write_text(written, encoding="utf-8")
        totals = trajectory.final_metrics
        if totals is not None:
            context.cost_usd = totals.total_cost_usd
            context.n_input_tokens = totals.total_prompt_tokens
            context.n_output_tokens = totals.total_completion_tokens
            context.n_cache_tokens = totals.total_cached_tokens


def _variables(folder: str, mark: str, settings: Settings, options: KiloOptions) -> dict[str, str]:
    found = environment(folder, mark, project_config=options.project_config)
    return found | {"KILO_CONFIG_CONTENT": config(settings)}


def _has_network(environment: BaseEnvironment) -> bool:
    """Whether the task leaves the network open."""
    return environment.task_env_config.network_mode in (None, NetworkMode.PUBLIC)


def _error(failed: Failed) -> NonZeroAgentExitCodeError:
    """Harbor's own error for what failed."""
    kinds: dict[Failure, type[NonZeroAgentExitCodeError]] = {one: getattr(errors, one.value) for one in Failure}
    return kinds[failed.what](failed.message)
