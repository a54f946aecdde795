"""The gate's answer where a pipeline looks for it: JUnit XML, a step summary in Markdown, GitHub's annotations.

What comes from jobs is hostile: it can neither break the XML, nor be markup in the summary, nor be a command to the
machine that runs the pipeline.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TextIO

from pipelines.folders import writing_to
from pipelines.gate.results import GateResult
from views import format as fmt
from views.escaped import code, escaped
from views.gate_results import Check
from views.metric_names import METRIC_NAMES

_MOST_TASKS = 10
_MARKS = {"pass": "🟢 pass", "regression": "🔴 regression", "inconclusive": "⚪ inconclusive"}
_LEVELS = {"pass": "notice", "regression": "error", "inconclusive": "warning"}
_COMMAND = re.compile(r"::|##\[")
"""How a command to GitHub's runner begins."""


def amount(check: Check, value: float | None, *, is_increase: bool = False) -> str:
    """A number of a check as people read it: costs as dollars and their increase in percent, shares in points."""
    if is_increase:
        return fmt.difference(value, _form(check))
    return fmt.money(value) if _is_cost(check) else fmt.percent(value)


def limit(check: Check) -> str:
    """The threshold of a check as the change that it is: `−5.0 pp`, `+25.0 %`."""
    return amount(check, -check.threshold if check.metric == "pass_rate" else check.threshold, is_increase=True)


def interval(check: Check) -> str:
    """Both bounds of a check."""
    return fmt.interval(check.low, check.high, _form(check), signed=True)


def _form(check: Check) -> fmt.Form:
    return fmt.percent if _is_cost(check) else fmt.points


def _is_cost(check: Check) -> bool:
    return check.metric in ("cost_usd", "cost_to_complete_usd")


def said(check: Check) -> str:
    """A check in one sentence."""
    name = METRIC_NAMES[check.metric].name
    reason = f" ({check.reason})" if check.reason else ""
    return (
        f"{name}: {check.decision}: {amount(check, check.baseline)} to {amount(check, check.candidate)}, "
        f"{amount(check, check.difference, is_increase=True)}, bounds {interval(check)}, limit {limit(check)}{reason}"
    )


def junit(result: GateResult) -> str:
    """The checks as JUnit's test cases.

    A regression is a failure. A required check that is inconclusive is an error, any other is skipped.
    """
    found = {"failures": 0, "errors": 0, "skipped": 0}
    suite = ET.Element("testsuite", name="kilobench gate")
    for check in result.checks:
        case = ET.SubElement(suite, "testcase", classname="kilobench.gate", name=check.metric, time="0")
        if check.decision == "regression":
            _add(case, "failure", "regression", said(check))
            found["failures"] += 1
        elif check.decision == "inconclusive" and check.required:
            _add(case, "error", "inconclusive", said(check))
            found["errors"] += 1
        elif check.decision == "inconclusive":
            _add(case, "skipped", "inconclusive", said(check))
            found["skipped"] += 1
    whole = ET.SubElement(suite, "testcase", classname="kilobench.gate", name="decision", time="0")
    if result.decision != "pass":
        kind, counted = ("failure", "failures") if result.decision == "regression" else ("error", "errors")
        _add(whole, kind, result.decision, "\n".join((result.headline, *result.reasons)))
        found[counted] += 1
    ET.SubElement(suite, "system-out").text = _xml(
        f"baseline: {result.baseline.variant}\ncandidate: {result.candidate.variant}\n{result.rule}"
    )
    suite.attrib |= {"tests": str(len(result.checks) + 1)} | {name: str(number) for name, number in found.items()}
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add(case: ET.Element, kind: str, type_: str, message: str) -> None:
    text = _xml(message)
    ET.SubElement(case, kind, type=type_, message=text.partition("\n")[0]).text = text


def _xml(text: str) -> str:
    """The text with what XML cannot hold, or would show as something else, replaced."""
    return "\n".join(fmt.plain(line).replace("\t", " ") for line in text.split("\n"))


def summary(result: GateResult) -> str:
    """The answer as Markdown, for a step summary or a pull request."""
    rows = [
        (
            METRIC_NAMES[one.metric].name + ("" if one.required else " (not required)"),
            escaped(amount(one, one.baseline)),
            escaped(amount(one, one.candidate)),
            escaped(amount(one, one.difference, is_increase=True)),
            escaped(interval(one)),
            escaped(limit(one)),
            escaped(_MARKS[one.decision] + (f" ({one.reason})" if one.reason else "")),
        )
        for one in result.checks
    ]
    head = ("Check", "Baseline", "Candidate", "Difference", "Bounds", "Limit", "Decision")
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
    parts = [
        f"### Gate: {_MARKS[result.decision]}",
        f"**{escaped(result.headline)}**",
        f"{code(result.candidate.variant)} against {code(result.baseline.variant)}",
        table,
        *(f"- {escaped(one)}" for one in (*_excluded(result), *result.reasons)),
    ]
    if result.left_out:
        named = [f"{code(task)} ({escaped(why)})" for task, why in list(result.left_out.items())[:_MOST_TASKS]]
        more = f" and {len(result.left_out) - _MOST_TASKS} more" if len(result.left_out) > _MOST_TASKS else ""
        parts.append(f"Tasks that are not compared: {len(result.left_out)}: {', '.join(named)}{more}")
    if result.next_command is not None:
        parts.append(f"To go on:\n\n{_fenced(result.next_command)}")
    parts += [f"[Saved view]({view.url})" for one in result.comparisons for view in one.dashboards]
    parts.append(f"<details><summary>The rule</summary>\n\n{escaped(result.rule)}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _fenced(command: str) -> str:
    """A command as a block of code, whole, so that it can be copied; nothing in it can end the block."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{fmt.one_line(command)}\n{fence}"


def _excluded(result: GateResult) -> list[str]:
    """What does not count, side by side, in words."""
    return [
        f"{side}: {sum(counts.values())} trials do not count ({', '.join(f'{n} {name}' for name, n in counts.items())})"
        for side, counts in result.excluded_by.items()
        if counts
    ]


def excluded(result: GateResult) -> str | None:
    """What does not count, in one line; None where everything does."""
    return "; ".join(_excluded(result)) or None


def github_annotations(result: GateResult) -> list[str]:
    """GitHub's workflow commands for the answer, and for each check that is a regression."""
    found = [_annotation(_LEVELS[result.decision], "kilobench gate", result.headline)]
    found += [
        _annotation("error", f"kilobench gate: {METRIC_NAMES[one.metric].name}", said(one))
        for one in result.checks
        if one.decision == "regression"
    ]
    return found


def _annotation(kind: str, title: str, message: str) -> str:
    text = fmt.one_line(message).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    named = title.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={named}::{text}"


def harmless(text: str) -> str:
    """The text without what a pipeline's machine would take for a command to it, wherever a line of it begins."""
    return _COMMAND.sub(lambda found: " ".join(found[0]), text)


def write_outputs(result: GateResult, junit_file: Path | None, summary_file: Path | None, errors: TextIO) -> GateResult:
    """Writes what was asked for, and what GitHub's machines ask for by their environment.

    Args:
        result: the answer.
        junit_file: for the XML; None for none.
        summary_file: for the Markdown; None for GitHub's own, which is added to, where there is one.
        errors: standard error: annotations go there, so that standard output stays one JSON object.

    Returns:
        The result with the paths of what was written.

    Raises:
        BadInputError: a file cannot be written.
    """
    if junit_file is not None:
        with writing_to(junit_file.parent, "--junit"):
            junit_file.write_text(junit(result), encoding="utf-8")
    step = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary_file is not None:
        with writing_to(summary_file.parent, "--summary"):
            summary_file.write_text(summary(result), encoding="utf-8")
    elif step:
        with writing_to(Path(step).parent, "--summary"), Path(step).open("a", encoding="utf-8") as file:
            file.write(summary(result))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        errors.writelines(f"{one}\n" for one in github_annotations(result))
        errors.flush()
    written = summary_file if summary_file is not None else step or None
    return result.model_copy(update={"junit": _text(junit_file), "summary": _text(written)})


def _text(path: Path | str | None) -> str | None:
    """A path as text, also where its bytes are none."""
    return None if path is None else str(path).encode("utf-8", "replace").decode()
