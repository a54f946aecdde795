"""No secret of a known form leaves the machine; everything else stays as it was."""

from __future__ import annotations

import json
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum, EnumType
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAliasType, Union, get_args, get_origin, get_type_hints

import pytest
from builder import JobBuilder, agent_step, read_one, trajectory
from hypothesis import given
from hypothesis import strategies as st

from adapter.redact import may_hold_secrets, redact, redact_text
from adapter.trial import Finding, Severity, Source, Status, Step, ToolCall, Trial, Variant

# Put together here, so that no scanner of this repository takes them for real ones.
SECRETS = {
    "Anthropic key": "sk-" + "ant-api03-" + "a1B2" * 10,
    "OpenAI key": "sk-" + "proj-" + "a1B2" * 10,
    "OpenRouter key": "sk-" + "or-v1-" + "a1b2" * 10,
    "AWS key id": "AKIA" + "ABCDEFGHIJKLMNOP",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "GitLab token": "glpat-" + "a1B2c3D4e5F6g7H8i9J0",
    "Google key": "AIza" + "a" * 35,
    "Hugging Face token": "hf_" + "aB" * 17,
    "Slack token": "xoxb-" + "1234567890-abcdef",
    "Stripe key": "sk_live_" + "a1B2" * 6,
    "npm token": "npm_" + "a1B2" * 9,
    "package index token": "pypi-" + "AgEIcHlwaS5vcmc" + "a1B2" * 18,
    "JSON web token": "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.a-B_c",
    "Google secret": "GOCSPX-" + "a1B2" * 7,
    "Google token": "ya29." + "a1B2" * 8,
    "Groq key": "gsk_" + "a1B2" * 13,
    "xAI key": "xai-" + "a1B2" * 20,
    "Replicate token": "r8_" + "a1B2" * 9 + "c",
    "Azure storage key": "AccountKey=" + "a1B2" * 21 + "a1==",
    "Azure secret": "abc8Q~" + "a1B2" * 8,
    "SendGrid key": "SG." + "a" * 22 + "." + "b" * 43,
    "Telegram token": "123456789:" + "a" * 35,
    "Discord token": "M" + "a" * 23 + ".abcdef." + "b" * 27,
    "Docker token": "dckr_pat_" + "a1B2" * 7,
    "Vault token": "hvs." + "a1B2" * 8,
    "NVIDIA key": "nvapi-" + "a1B2" * 16,
    "Databricks token": "dapi" + "0a1b2c3d" * 4,
    "Twilio key": "SK" + "0a1b2c3d" * 4,
    "Mailchimp key": "0a1b2c3d" * 4 + "-us12",
    "Square secret": "sq0csp-" + "a" * 43,
    "age key": "AGE-SECRET-KEY-1" + "Q" * 58,
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_key_of_each_form_is_replaced_and_counted(kind: str) -> None:
    found: Counter[str] = Counter()
    assert redact_text(f"export KEY={SECRETS[kind]}\n", found) == f"export KEY=[REDACTED: {kind}]\n"
    assert found == {kind: 1}


def test_a_key_after_an_escaped_line_end_is_found() -> None:
    text = r"line\n" + SECRETS["GitHub token"]
    assert redact_text(text, Counter()) == r"line\n[REDACTED: GitHub token]"


@pytest.mark.parametrize(
    "text",
    ["sk-learn is no key", "task-" + "0123abcd-" * 4, "task-ant-hill", "AKIA", "ghp_short", "hf_hub_download", ""],
)
def test_what_only_looks_a_little_like_a_key_stays(text: str) -> None:
    assert redact_text(text, Counter()) == text


@given(st.text())
def test_text_without_secrets_is_not_touched(text: str) -> None:
    found: Counter[str] = Counter()
    assert (redact_text(text, found) == text) == (not found)


IDS = {"job_id", "trial_id"}


def filled(kind: Any, text: str) -> Any:
    """A value of an annotated type in which every text there can be is this one."""
    if isinstance(kind, TypeAliasType):  # a JSON value
        return {text: [text, {text: text}]}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return filled(next(one for one in inner if one is not type(None)), text)
    if origin is tuple:
        return (filled(inner[0], text),)
    if origin is dict:
        return {filled(inner[0], text): filled(inner[1], text)}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{one.name: "id" if one.name in IDS else filled(hints[one.name], text) for one in fields(kind)})
    if isinstance(kind, EnumType):
        return next(iter(kind))
    if kind is datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)
    return text if kind is str else kind()


def texts(value: Any) -> Iterator[str]:
    """Every text of a value but those of enumerations, and keys too."""
    if isinstance(value, Enum):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in texts(item))
    elif is_dataclass(value):
        yield from (text for one in fields(value) for text in texts(getattr(value, one.name)))


def test_no_text_of_a_record_keeps_a_secret_whatever_field_it_stands_in() -> None:
    secret = SECRETS["Anthropic key"]
    trial: Trial = filled(Trial, secret)
    assert all(secret in repr(part) for part in (trial.variant, trial.task, trial.rewards, trial.steps[0].model))
    before = [text for text in texts(trial) if text == secret]
    clean = redact(trial)
    assert not any(secret in text for text in texts(clean))
    assert secret not in repr(clean)
    assert (clean.job_id, clean.trial_id) == ("id", "id")
    assert redact(replace(trial, job_id=secret)).job_id == secret
    finding = clean.findings[-1]
    assert finding == Finding(
        "redacted",
        Severity.WARNING,
        f"Secrets were replaced before anything was sent: {len(before)} Anthropic key.",
    )


def test_arguments_as_text_keep_no_secret() -> None:
    secret = SECRETS["Anthropic key"]
    step = Step(1, 1, Source.AGENT, tool_calls=(ToolCall("sh", f"echo {secret}"),))
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.FAILED, (step,))
    assert redact(trial).steps[0].tool_calls[0].arguments == "echo [REDACTED: Anthropic key]"


def test_long_texts_take_no_time() -> None:
    output = "a line of sk-learn's output, task-0123 and so on\n" * 3_000
    steps = tuple(Step(number, number, Source.AGENT, tool_calls=(ToolCall("sh", {}, output),)) for number in range(100))
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.PASSED, steps)
    start = perf_counter()
    assert redact(trial) is trial
    assert perf_counter() - start < 5


def test_a_trial_without_secrets_is_the_same_trial() -> None:
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.PASSED, (Step(1, 1, Source.USER, "hi"),))
    assert redact(trial) is trial


LETTERS = 'AKIAskghpofunrxbt_-0123456789abXY.\\"\n é'


@given(st.text(LETTERS), st.sampled_from([*SECRETS.values(), ""]), st.text(LETTERS), st.booleans(), st.booleans())
def test_no_secret_hides_from_the_quick_look(before: str, secret: str, after: str, twice: bool, escaped: bool) -> None:
    """Whatever a JSON text says once parsed, or parsed again where it holds JSON, is found in its bytes."""
    text = before + secret + after
    inner = "".join(f"\\u{ord(letter):04x}" for letter in text) if escaped else json.dumps(text)[1:-1]
    data = f'"{inner}"'
    assert json.loads(data) == text
    if twice:
        data = json.dumps(data)
    found: Counter[str] = Counter()
    redact_text(text, found)
    assert may_hold_secrets(data.encode()) or not found


@pytest.mark.parametrize("text", ["<task-notification>", "disk-usage", "risk-free", "rough_guess", "\\n\\u00e9"])
def test_ordinary_words_are_not_worth_a_closer_look(text: str) -> None:
    assert not may_hold_secrets(text.encode())


@pytest.mark.parametrize(
    "piece",
    [
        "xsk-",
        "xghp_" + "a" * 36,
        "xeyJ",
        "eyJ",
        "eyJhbGciOiJI.",
        "token:",
        "token='",
        'password=\\"',
        "PuTTY-User-Key-File-3:",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "curl ",
        "a-chpasswd|",
        "://a:",
        "machine login ",
        "cookie:a=",
        "--password ",
        "name: DB_PASSWORD,",
        "token: [ ",
        '"api_key": "<a',
    ],
)
def test_no_text_that_was_made_for_it_takes_for_ever(piece: str) -> None:
    size = 100_000
    for text in (piece * (size // len(piece)), piece + " " * size, piece + "\\" * size, piece + "a" * size):
        start = perf_counter()
        redact_text(text, Counter())
        assert perf_counter() - start < 10, text[:60]


def test_sub_agents_stay_apart_when_their_names_are_redacted(tmp_path: Path) -> None:
    job = JobBuilder(tmp_path)
    keys = ["sk-ant-api03-" + letters * 6 for letters in ("A1b2C3d4", "Z9y8X7w6")]
    below = [trajectory([agent_step(f"By {number}.")], trajectory_id=key) for number, key in enumerate(keys)]
    references = [{"subagent_trajectory_ref": [{"trajectory_id": key}]} for key in keys]
    started = agent_step("Go.", observation={"results": references})
    trial = read_one(job, job.trial(raw_trajectory=trajectory([started], subagent_trajectories=below)))
    names = {step.subagent for step in trial.steps} - {""}
    assert len(names) == 2
    assert not any(key in name for key in keys for name in names)
