"""Pages as HTML: the templates, what they print a value as, and the policy by which a page runs our own script only."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache, partial
from pathlib import PurePath
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from views import format as fmt
from views.pages.places import link

_UNKNOWN = Markup('<i role="img" aria-label="unknown" title="unknown">{}</i>').format(fmt.UNKNOWN)


def render(template: str, place: str, **values: object) -> str:
    """A page as text.

    Args:
        template: the name of its template.
        place: where it will be, below the report's folder.
        values: what the template shows.
    """
    environment = _environment()
    depth = len(PurePath(place).parents) - 1
    style, style_hash = _own("report.css")
    script, script_hash = _own("report.js")
    return environment.get_template(template).render(
        values,
        style=style,
        style_hash=style_hash,
        script=script,
        script_hash=script_hash,
        to=partial(link, depth=depth),
        fmt=fmt,
    )


def web_address(url: str | None) -> str | None:
    """An address that may be a link: any scheme but the web's could run something when it is followed."""
    return url if url is not None and urlsplit(url).scheme in ("http", "https") else None


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("views"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": fmt.count,
        "money": fmt.money,
        "brief": fmt.brief_money,
        "tokens": fmt.tokens,
        "seconds": fmt.seconds,
        "percent": fmt.percent,
        "probability": fmt.probability,
        "breakable": _breakable,
        "reward": _reward,
        "tally": _tally,
        "words": words,
    }
    return environment


@cache
def _own(name: str) -> tuple[Markup, str]:
    """Our own style sheet or script, and its hash as a policy names it."""
    text = _environment().get_template(name).render()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"  # noqa: S704  (our own file)


def _printable(value: object) -> object:
    """What Jinja prints for a value: unknown is marked as unknown, and text holds nothing that cannot be shown."""
    if value is None or value == fmt.UNKNOWN:
        return _UNKNOWN
    if isinstance(value, str) and not isinstance(value, Markup):
        return fmt.plain(value)
    return value


def words(name: str) -> str:
    """A name as words."""
    return name.replace("_", " ")


def _breakable(name: str) -> Markup:
    """A name that may be broken after its slashes."""
    return escape(fmt.plain(name)).replace("/", Markup("/<wbr>"))


def _reward(reward: float | None) -> str:
    return fmt.UNKNOWN if reward is None else f"{reward:g}"


def _tally(counts: Mapping[str, int]) -> str:
    """How many of each: `36 recorded, 2 unknown`."""
    return ", ".join(f"{fmt.count(number)} {words(name)}" for name, number in counts.items())
