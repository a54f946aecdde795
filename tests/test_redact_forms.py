"""The quick look at a file's bytes never says "nothing" where a closer look finds a secret, however it is written."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import detect_secrets.plugins
import pytest
from detect_secrets.plugins.base import BasePlugin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter import redact_forms, redact_names, redact_places
from adapter.redact import may_hold_secrets, redact_json_bytes, redact_text

PATTERNS = [
    *(pattern for _, pattern in redact_forms._COMPILED),
    *(pattern for _, pattern in redact_forms._library()),
    *(place.pattern for place in redact_places._PLACES),
    redact_names._ASSIGNED,
    redact_names._OPTION,
    redact_names._LINE,
]
"""Every pattern there is."""

AROUND = st.text('ab1 ="\\\n\t{}é\x1b[0m:,', max_size=8)


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else letter for letter in text)


def written(text: str) -> list[bytes]:
    """JSON files that say this text: as the encoders of several languages write it, once and twice over."""
    plain = json.dumps(text)
    twice = json.dumps(json.dumps({"cmd": text}))
    return [
        plain.encode(),
        json.dumps(text, ensure_ascii=False).encode(),
        f'"{escaped(text)}"'.encode(),
        plain.replace("/", "\\/").encode(),
        plain.replace("\\t", "\\u0009").replace("\\n", "\\u000a").encode(),
        re.sub("[<>&'+=]", lambda found: f"\\u{ord(found[0]):04x}", plain).encode(),
        json.dumps(text, ensure_ascii=False).encode("utf-16"),
        json.dumps(text, ensure_ascii=False).encode("utf-16-le"),
        json.dumps(text).encode("utf-32"),
        twice.encode(),
        twice.replace("/", "\\/").encode(),
    ]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:40])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_secret_hides_from_the_quick_look(pattern: re.Pattern[str], data: st.DataObject) -> None:
    secret = data.draw(st.from_regex(pattern, alphabet=st.characters(max_codepoint=0x2FF, exclude_categories=["Cs"])))
    text = data.draw(AROUND) + secret + data.draw(AROUND)
    for file in written(text):
        read = json.loads(file)
        if not has_secret(read):
            continue
        assert may_hold_secrets(file)
        found: Counter[str] = Counter()
        clean = redact_json_bytes(file, found)
        assert found
        assert not has_secret(json.loads(clean))


@lru_cache(maxsize=64)
def has_secret(value: str) -> bool:
    """Whether the patterns themselves, without any quick look, find something in a text."""
    hits = (redact_forms.own_hits, redact_forms.library_hits, redact_places.hits, redact_names.hits)
    return any(True for one in hits for _ in one(value))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(len(PATTERNS))), min_size=1, max_size=3), st.data())
def test_what_was_redacted_is_not_changed_again(numbers: list[int], data: st.DataObject) -> None:
    text = "".join(data.draw(st.from_regex(PATTERNS[number])) + data.draw(AROUND) for number in numbers)
    once = redact_text(text, Counter())
    found: Counter[str] = Counter()
    assert redact_text(once, found) == once
    assert not found


def test_every_detector_of_the_library_is_used_or_left_out_for_a_reason() -> None:
    """A new version's new detectors are noticed."""
    folder = Path(inspect.getfile(detect_secrets.plugins)).parent
    names = {
        name
        for file in folder.glob("[!_]*.py")
        for name, kind in vars(import_module(f"detect_secrets.plugins.{file.stem}")).items()
        if inspect.isclass(kind) and issubclass(kind, BasePlugin) and not inspect.isabstract(kind)
    }
    assert names == {one.name for one in redact_forms.LIBRARY} | set(redact_forms.LEFT_OUT)


@pytest.mark.parametrize(
    "before",
    ["\x1b[32m", "\x1b[0;31m", "\\u001b[0m", "\\n", "%3D", "=", '"', "(", "_"],
    ids=repr,
)
def test_a_key_is_found_after_what_ends_a_word_only_once_it_is_shown(before: str) -> None:
    key = "ghp_" + "a1B2" * 9
    assert redact_text(before + key, Counter()) == before + "[REDACTED: GitHub token]"


def test_a_private_key_is_replaced_whole_and_also_where_its_end_was_cut_off() -> None:
    body = "MIIEpAIBAAKCAQEA" * 4
    whole = f"a\n-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n{body}\n-----END OPENSSH PRIVATE KEY-----\nb"
    assert redact_text(whole, Counter()) == "a\n[REDACTED: private key]\nb"
    assert redact_text(json.dumps(whole), Counter()) == '"a\\n[REDACTED: private key]\\nb"'
    cut = redact_text(f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n{body[:20]}... (cut)", Counter())
    assert cut == "[REDACTED: private key]... (cut)"
    putty = f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n{body}\nPrivate-MAC: 0a1b2c\n"
    assert redact_text(putty, Counter()) == "[REDACTED: private key]\n"
    mention = 'grep "-----BEGIN RSA PRIVATE KEY-----" file'
    assert redact_text(mention, Counter()) == mention
