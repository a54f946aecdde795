"""Taking secrets out of a trial before any of it leaves the machine.

A small set of exact patterns: the forms that providers give their keys. What is found is replaced by a mark that
says what it was, and counted in the trial's findings.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from adapter.trial import Finding, JsonValue, Severity, Step, ToolCall, Trial

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"""A key begins where a word does, or after the escape of a line's end in text that was escaped twice."""

# Name, the literal that every match holds (looked for first, since that is far cheaper), pattern (`^` is `_START`).
_PATTERNS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (name, literal, re.compile(pattern.replace("^", _START)))
    for name, literal, pattern in (
        ("private key", "PRIVATE KEY-----", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.{0,8192}?)-----END [A-Z ]*-----"),
        ("Anthropic key", "sk-ant-", r"^sk-ant-[A-Za-z0-9_-]{20,}"),
        ("OpenRouter key", "sk-or-", r"^sk-or-[A-Za-z0-9_-]{20,}"),
        ("OpenAI key", "sk-", r"^sk-(?!ant-|or-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}"),
        ("AWS key id", "AKIA", r"^AKIA[0-9A-Z]{16}\b"),
        ("GitHub token", "gh", r"^gh[pousr]_[A-Za-z0-9]{36,}"),
        ("GitHub token", "github_pat_", r"^github_pat_[A-Za-z0-9_]{50,}"),
        ("GitLab token", "glpat-", r"^glpat-[A-Za-z0-9_-]{20,}"),
        ("Google key", "AIza", r"^AIza[0-9A-Za-z_-]{35}"),
        ("Hugging Face token", "hf_", r"^hf_[A-Za-z0-9]{30,}"),
        ("Slack token", "xox", r"^xox[abposr]-[A-Za-z0-9-]{10,}"),
        ("Stripe key", "_live_", r"^[rs]k_live_[A-Za-z0-9]{20,}"),
        ("package index token", "-AgE", r"^pypi-AgE[A-Za-z0-9_-]{50,}"),
        ("npm token", "npm_", r"^npm_[A-Za-z0-9]{36}\b"),
    )
)  # fmt: skip


def redact_text(text: str, found: Counter[str]) -> str:
    """The text with every secret replaced by `[REDACTED: kind]`; `found` counts what was replaced, by kind."""
    for name, literal, pattern in _PATTERNS:
        if literal in text:
            text, replaced = pattern.subn(f"[REDACTED: {name}]", text)
            if replaced:
                found[name] += replaced
    return text


def redact(trial: Trial) -> Trial:
    """The trial without secrets in any of its texts, and with a finding that counts them."""
    found: Counter[str] = Counter()
    steps = tuple(_step(step, found) for step in trial.steps)
    exception = trial.exception
    if exception is not None:
        exception = replace(
            exception,
            message=redact_text(exception.message, found),
            traceback=None if exception.traceback is None else redact_text(exception.traceback, found),
        )
    findings = tuple(replace(one, message=redact_text(one.message, found)) for one in trial.findings)
    if not found:
        return trial
    what = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    finding = Finding("redacted", Severity.WARNING, f"Secrets were replaced before anything was sent: {what}.")
    return replace(trial, steps=steps, exception=exception, findings=findings).with_findings(finding)


def _step(step: Step, found: Counter[str]) -> Step:
    before = found.total()
    clean = replace(
        step,
        message=redact_text(step.message, found),
        reasoning=None if step.reasoning is None else redact_text(step.reasoning, found),
        tool_calls=tuple(_call(call, found) for call in step.tool_calls),
        observations=tuple(redact_text(text, found) for text in step.observations),
    )
    return step if found.total() == before else clean


def _call(call: ToolCall, found: Counter[str]) -> ToolCall:
    arguments = call.arguments
    return replace(
        call,
        name=redact_text(call.name, found),
        arguments=redact_text(arguments, found)
        if isinstance(arguments, str)
        else {redact_text(key, found): _value(value, found) for key, value in arguments.items()},
        output=None if call.output is None else redact_text(call.output, found),
    )


def _value(value: JsonValue, found: Counter[str]) -> JsonValue:
    if isinstance(value, str):
        return redact_text(value, found)
    if isinstance(value, list):
        return [_value(item, found) for item in value]
    if isinstance(value, dict):
        return {redact_text(key, found): _value(item, found) for key, item in value.items()}
    return value
