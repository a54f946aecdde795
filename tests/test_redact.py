"""No secret of a known form leaves the machine; everything else stays as it was."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.redact import redact, redact_text
from adapter.trial import Source, Status, Step, ToolCall, Trial, TrialException, Variant

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
    "package index token": "pypi-" + "AgE" + "a1B2" * 15,
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


def test_no_field_of_a_trial_keeps_a_secret() -> None:
    secret = SECRETS["Anthropic key"]
    step = Step(
        1,
        1,
        Source.AGENT,
        message=secret,
        reasoning=secret,
        tool_calls=(ToolCall("sh", {"a": [{"b": secret}], secret: 1}, secret), ToolCall(secret, secret)),
        observations=(secret,),
    )
    exception = TrialException("Error", secret, secret)
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.FAILED, (step,), exception=exception)
    clean = redact(trial)
    assert secret not in repr(clean)
    (finding,) = clean.findings
    assert finding.code == "redacted"
    assert "10 Anthropic key" in finding.message


def test_a_trial_without_secrets_is_the_same_trial() -> None:
    trial = Trial("j", "t", "job", "n", "task", "set", Variant("a"), Status.PASSED, (Step(1, 1, Source.USER, "hi"),))
    assert redact(trial) is trial
