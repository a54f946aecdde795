"""The variables of a prompt's template."""

from __future__ import annotations

import re

import jinja2
import jinja2.meta

_MUSTACHE = re.compile(r"\{\{\{?\s*[#^&]?\s*([\w.-]+)\s*\}?\}\}")
_JINJA = jinja2.Environment(autoescape=True)


def names(template: str, kind: str) -> list[str] | None:
    """The names a template asks for, in order; None where they are not known (another kind, or no valid template)."""
    if kind == "mustache":
        return sorted(set(_MUSTACHE.findall(template)))
    if kind == "jinja2":
        try:
            return sorted(jinja2.meta.find_undeclared_variables(_JINJA.parse(template)))
        except jinja2.TemplateSyntaxError:
            return None
    return None
