"""Kilo Code as an agent of Harbor's: `harbor run -a adapter.kilo:KiloCode -m PROVIDER/MODEL`.

What is decided stands in the modules beside this one, which need no environment: the installation (`install`), the
configuration (`config`), the variables (`environment`), the commands (`commands`) and how a run ended (`outcome`). Here
they are carried out in Harbor's order.
"""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, override

from harbor.agents.capabilities import AgentCapabilities
from harbor.agents.installed import base
from harbor.agents.installed.base import BaseInstalledAgent, NonZeroAgentExitCodeError
from harbor.agents.options import InstalledAgentOptions
from harbor.environments.base import BaseEnvironment
from harbor.models.agent.context import AgentContext
from harbor.models.task.config import NetworkMode
from harbor.models.trajectories import Trajectory

from adapter.errors import BadInputError, KilobenchError, UnreadableError
from adapter.files import read_bytes, read_json
from adapter.kilo import commands
from adapter.kilo.atif import AGENT, trajectory_of
from adapter.kilo.config import Model, Server, config_content
from adapter.kilo.environment import variables
from adapter.kilo.install import DEFAULT_VERSION, checked_version, install_script, read_report, refuse_old
from adapter.kilo.options import KiloOptions
from adapter.kilo.outcome import Kind, problem_of, without_answers
from adapter.kilo.providers import GATEWAY, key_variables, split_model, url_variables
from adapter.kilo.source import read_log
from adapter.loose import mapping
from adapter.trial import JsonValue

_NEEDED = ("bash", "tar")
_USEFUL = ("git", "ripgrep")
"""Kilo finds files by ripgrep, and would fetch it from elsewhere; without git it has no notion of a repository."""
_STOP_SECONDS = 60
_STDERR = 500_000
"""Bytes at the end of Kilo's own log that are looked into for a reason."""


def _capabilities() -> AgentCapabilities:
    """What the agent can do, as far as this Harbor has a word for it: each version has more of them."""
    can = (
        "atif",
        "resume",
        "native_config",
        "skills",
        "mcp_servers",
        "base_url",
        "reasoning_effort",
        "native_web_tools",
    )
    return AgentCapabilities.model_validate({name: True for name in can if name in AgentCapabilities.model_fields})


class KiloCode(BaseInstalledAgent):
    """Kilo Code's command line, unattended: a version that is chosen, its failures by what failed, all of its usage."""

    capabilities = _capabilities()
    options_model: ClassVar[type[InstalledAgentOptions] | None] = KiloOptions
    _installed_by: str | None = None
    _is_offline: bool = False

    def __init__(self, *given: Any, base_url: str | None = None, **options: Any) -> None:
        """Takes what Harbor gives every agent, and the options of `KiloOptions`.

        From 0.25 on, Harbor keeps `base_url` for agents whose connection it makes itself; here it is an option in any.
        """
        super().__init__(*given, **options)
        self.options = self.chosen.model_copy(update={"base_url": base_url})
        self._base_url = base_url

    @classmethod
    def resolve_model_connection_config(cls, *given: Any, base_url: str | None = None, **more: Any) -> Any:
        """Where the model's API is, as Harbor asks from 0.25 on: for tasks that open the network to some hosts only."""
        found = super().resolve_model_connection_config(*given, **more)  # pyright: ignore[reportAttributeAccessIssue]
        addresses = dict.fromkeys(("candidate_base_url", "user_supplied_base_url", "resolved_base_url"), base_url)
        return dataclasses.replace(found, can_configure_base_url=True, **addresses)

    async def set_web_tools_disabled(self, disabled: bool, environment: BaseEnvironment) -> None:  # noqa: ARG002
        """Harbor's word, from 0.25 on, on whether the task lets the agent look at the web."""
        self._is_offline = disabled

    @staticmethod
    @override
    def name() -> str:
        return AGENT

    @property
    def chosen(self) -> KiloOptions:
        """The options, as they were checked."""
        return KiloOptions.model_validate(self.options)

    @override
    def version(self) -> str:
        """The one that is installed; before that, the one that was asked for."""
        return self._version or DEFAULT_VERSION

    @override
    async def install(self, environment: BaseEnvironment) -> None:
        """Installs the version and looks whether it can use the model.

        Raises:
            BadInputError: the version, the model or its provider cannot be had, or the configuration cannot be made.
            AgentAuthenticationError: the provider's key is not set.
            ModelNotFoundError: this version knows no such model.
        """
        self._config_content(environment)
        wanted = checked_version(self.chosen.version or DEFAULT_VERSION, allow_old=self.chosen.allow_old)
        await self.ensure_system_dependencies(environment, _NEEDED)
        for name in _USEFUL:
            await self._ensure_useful(environment, name)
        if (await environment.exec("command -v npm || command -v kilo", user="root")).return_code != 0:
            await self._ensure_useful(environment, "nodejs", "npm")
        done = await environment.exec(install_script(wanted), user="root")
        self.logger.debug("The installation said:\n%s", (done.stdout or "").strip())
        installed = read_report(wanted, done.stdout or "")
        if not self.chosen.allow_old:
            refuse_old(installed.version)
        self._version, self._installed_by = installed.version, installed.by
        self.logger.debug("Kilo %s is installed (%s).", installed.version, installed.by)
        await self._look_up_model(environment)

    @override
    @base.with_prompt_template
    async def run(self, instruction: str, environment: BaseEnvironment, context: AgentContext) -> None:
        """Lets Kilo work on the task; whatever it started has ended afterwards.

        Raises:
            NonZeroAgentExitCodeError: it failed; the class says what failed.
        """
        mark = uuid.uuid4().hex
        uploaded = str(self.environment_logs_dir / commands.INSTRUCTION)
        await self._upload_config_text(
            environment, content=instruction, remote_path=uploaded, filename=commands.INSTRUCTION
        )
        try:
            done = await environment.exec(
                commands.run_command(self.environment_logs_dir, self._arguments()),
                env=self._variables(mark, self._config_content(environment)),
            )
        finally:
            await self._stop(environment, mark)
        await self._raise_problem(environment, done.return_code)

    @override
    def populate_context_post_run(self, context: AgentContext) -> None:
        """Writes trajectory.json from what Kilo left, also of a run that was cut off, and sums up its usage."""
        self._drop_answers()
        context.metadata = {"kilo": {"version": self._version, "installed_by": self._installed_by}}
        try:
            trajectory = trajectory_of(read_log(self.logs_dir))
            written = json.dumps(trajectory.to_json_dict(), indent=2, ensure_ascii=False, allow_nan=False)
            (self.logs_dir / "trajectory.json").write_bytes(written.encode("utf-8", "replace") + b"\n")
        except (KilobenchError, ValueError, OSError) as error:
            self.logger.warning("Kilo left no session that can be read: %s", error)
            return
        counted = [step.metrics for one in _walk(trajectory) for step in one.steps if step.metrics is not None]
        if counted:
            context.n_input_tokens = sum(one.prompt_tokens or 0 for one in counted)
            context.n_output_tokens = sum(one.completion_tokens or 0 for one in counted)
            context.n_cache_tokens = sum(one.cached_tokens or 0 for one in counted)
        if trajectory.final_metrics is not None:
            context.cost_usd = trajectory.final_metrics.total_cost_usd

    def _arguments(self) -> list[str]:
        options = self.chosen
        found = ["--auto", "--format", "json", "--thinking", "--title", "harbor", "--model", self.model_name or ""]
        found += ["--print-logs", "--log-level", "WARN"]
        if (variant := options.variant or options.reasoning_effort) is not None:
            found += ["--variant", variant]
        if options.agent is not None:
            found += ["--agent", options.agent]
        if self._resume:
            found.append("--continue")
        return found

    def _model(self) -> Model:
        provider, name = split_model(self.model_name)
        found = self._resolve_env(*url_variables(provider))
        return self.chosen.model(provider, name, found[1] if found and found[1] else None)

    def _config_content(self, environment: BaseEnvironment) -> str:
        servers = [
            Server(one.name, () if one.command is None else (one.command, *one.args), one.url)
            for one in self.mcp_servers
        ]
        return config_content(
            self._model(),
            servers=servers,
            skills=[self.skills_dir] if self.skills_dir else [],
            has_web=self._has_web(environment),
            has_project_config=self.chosen.project_config,
            more=self._own_config(),
        )

    def _has_web(self, environment: BaseEnvironment) -> bool:
        """Whether the agent may look at the web: it was not forbidden, and the task leaves the network open to it."""
        is_open = environment.task_env_config.network_mode in (None, NetworkMode.PUBLIC)
        return self.chosen.web and not self.chosen.disable_web_search and is_open and not self._is_offline

    def _own_config(self) -> dict[str, JsonValue]:
        source = self.config_source
        if not isinstance(source, Path):
            return source or {}
        try:
            found = read_json(source)
        except UnreadableError as error:
            raise BadInputError(f"{error}.", "Give Kilo's configuration as a JSON object: --ak config=FILE") from error
        return dict(mapping(found))

    def _variables(self, mark: str, config: str) -> dict[str, str]:
        return variables(
            self.environment_logs_dir,
            mark,
            provider=split_model(self.model_name)[0],
            config=config,
            retries=self.chosen.retries,
            command_limit=self.chosen.command_timeout_sec,
            has_project_config=self.chosen.project_config,
            secrets=self._secrets(),
            chosen=self.extra_env,
        )

    def _secrets(self) -> dict[str, str]:
        names = [*key_variables(split_model(self.model_name)[0])]
        if self.chosen.api_key_env is not None:
            names.append(self.chosen.api_key_env)
        return {name: value for name in names if (value := self._get_env(name))}

    async def _ensure_useful(self, environment: BaseEnvironment, *names: str) -> None:
        try:
            await self.ensure_system_dependencies(environment, names)
        except RuntimeError as error:
            self.logger.warning("%s could not be installed: %s", ", ".join(names), error)

    async def _look_up_model(self, environment: BaseEnvironment) -> None:
        """Fails where Kilo lists the provider's models, and not this one: before the task's time begins to run."""
        model = self._model()
        if model.is_registered or model.provider == GATEWAY:
            return
        secrets = self._variables("preflight", "{}")
        keys = key_variables(model.provider)
        if self.chosen.api_key_env in secrets:
            secrets[keys[0]] = secrets[self.chosen.api_key_env or ""]
        done = await environment.exec(commands.models_command(model.provider), env=secrets)
        said = f"{done.stdout or ''}\n{done.stderr or ''}"
        if "Provider not found" in said:
            what = f"No key of {model.provider} is set: Kilo cannot reach {self.model_name}."
            raise base.AgentAuthenticationError(f"{what} Set {' or '.join(keys)}, here or by --ae.")
        listed = [line.strip() for line in (done.stdout or "").splitlines() if line.startswith(f"{model.provider}/")]
        if not listed or done.return_code != 0:
            self.logger.warning("Whether Kilo knows %s could not be looked up.", self.model_name)
        elif self.model_name not in listed:
            near = difflib.get_close_matches(self.model_name or "", listed, n=3)
            meant = f" Did you mean {', '.join(near)}?" if near else ""
            what = f"Kilo {self._version} knows no model {self.model_name}.{meant}"
            raise base.ModelNotFoundError(f"{what} A newer one is used all the same with --ak register_model=true.")

    async def _stop(self, environment: BaseEnvironment, mark: str) -> None:
        """Ends what still runs: as the agent's user, who alone may look into its processes, and then as root."""
        command = commands.stop_command(self.environment_logs_dir, mark)
        users = [None] if environment.default_user in (None, "root", 0) else [None, "root"]
        for user in users:
            try:
                done = await asyncio.wait_for(environment.exec(command, user=user), _STOP_SECONDS)
            except (RuntimeError, OSError, TimeoutError) as error:
                self.logger.warning("What Kilo started could not be ended: %s", error)
            else:
                if done.return_code != 0:
                    self.logger.warning("What Kilo started could not be ended: %s", (done.stderr or "").strip())

    async def _raise_problem(self, environment: BaseEnvironment, exit_code: int) -> None:
        if not environment.capabilities.mounted:
            for name in (commands.EVENTS, commands.ERRORS):
                try:
                    await environment.download_file(str(self.environment_logs_dir / name), self.logs_dir / name)
                except (RuntimeError, OSError) as error:
                    self.logger.warning("%s could not be fetched: %s", name, error)
        try:
            stderr = read_bytes(self.logs_dir / commands.ERRORS, tail=_STDERR).decode(errors="replace")
        except UnreadableError:
            stderr = ""
        events = self.logs_dir / commands.EVENTS
        if events.is_file():
            with events.open("rb") as lines:
                problem = problem_of(exit_code, lines, stderr)
        else:
            problem = problem_of(exit_code, (), stderr)
        if problem is not None:
            raise _error_class(problem.kind)(problem.message)

    def _drop_answers(self) -> None:
        """Takes what the API answered out of the errors in the event stream, which may hold secrets."""
        path = self.logs_dir / commands.EVENTS
        with suppress(OSError):
            before = path.read_bytes()
            after = b"".join(without_answers(line) for line in before.splitlines(keepends=True))
            if after != before:
                path.write_bytes(after)


def _error_class(kind: Kind) -> type[NonZeroAgentExitCodeError]:
    """Harbor's error of that name; where a Harbor has it not, the plain one."""
    found = getattr(base, kind.value, NonZeroAgentExitCodeError)
    return found if issubclass(found, NonZeroAgentExitCodeError) else NonZeroAgentExitCodeError


def _walk(trajectory: Trajectory) -> Iterator[Trajectory]:
    """A trajectory and those of its sub-agents."""
    yield trajectory
    for below in trajectory.subagent_trajectories or ():
        yield from _walk(below)
