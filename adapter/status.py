"""How a trial ended, from its reward and the exception that Harbor recorded.

The table of causes follows Harbor 0.25's `models/trial/error_policy.py`; it is written out here because 0.24 has
none, and stored results of both are read.
"""

from __future__ import annotations

from adapter.trial import Status

_TIMEOUTS = frozenset({"AgentTimeoutError"})
_CANCELLED = frozenset({"CancelledError", "KeyboardInterrupt"})
_INFRASTRUCTURE = frozenset(
    {
        # sandbox
        "EnvironmentStartTimeoutError",
        "SandboxBuildFailedError",
        "AgentSetupTimeoutError",
        "HealthcheckError",
        "SandboxLikelyOutOfMemoryError",
        "MemoryLimitExceededError",
        "SSHAccessError",
        "GKEExecStreamClosedError",
        "GKEPodNotFoundError",
        "RuntimeRequestError",
        "AddTestsDirError",
        "DownloadVerifierDirError",
        # model provider, as Harbor's agents and LiteLLM name it
        "ApiError",
        "ApiRateLimitError",
        "ApiUsageLimitError",
        "ApiInternalServerError",
        "ApiOverloadedError",
        "ApiConnectionClosedError",
        "ApiResponseStalledError",
        "ApiConnectionError",
        "ApiProviderResourceNotFoundError",
        "UnknownApiError",
        "NetworkConnectionError",
        "AgentAuthenticationError",
        "ModelNotFoundError",
        "RateLimitError",
        "InternalServerError",
        "ServiceUnavailableError",
        "APIConnectionError",
        "APIError",
        "Timeout",
        "BadRequestError",
        "UnprocessableEntityError",
        "UnsupportedParamsError",
        "APIResponseValidationError",
        "BudgetExceededError",
        "AuthenticationError",
        "PermissionDeniedError",
        "NotFoundError",
        # harbor itself
        "ServiceOperationsUnsupportedError",
        "VercelScopeError",
        "DspyImportError",
        "MissingExtraError",
        "RegradeError",
        # verifier
        "VerifierTimeoutError",
        "RewardFileNotFoundError",
        "RewardFileEmptyError",
        "VerifierOutputParseError",
    }
)


def status(reward: float | None, exception: str | None, *, pass_at: float = 1.0) -> Status:
    """How a trial ended.

    A reward of at least `pass_at` is a pass, whatever was raised besides. A failure of the sandbox, the model's
    provider, Harbor or the verifier is the infrastructure's; time running out and any other exception are the
    agent's. A finished trial with neither reward nor exception was never graded: the infrastructure's failure.

    Args:
        reward: the deciding reward; None when there is none.
        exception: the recorded exception's type name.
        pass_at: the least reward that is a pass.
    """
    if exception in _CANCELLED:
        return Status.CANCELLED
    if reward is not None and reward >= pass_at:
        return Status.PASSED
    if exception in _TIMEOUTS:
        return Status.TIMED_OUT
    if exception in _INFRASTRUCTURE:
        return Status.INFRASTRUCTURE_ERROR
    if exception is not None:
        return Status.AGENT_ERROR
    return Status.INFRASTRUCTURE_ERROR if reward is None else Status.FAILED
