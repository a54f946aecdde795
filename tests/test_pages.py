"""The pages of tasks and trials, from real stored trials: which there are, what they show, and what they never do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builder import JobBuilder, agent_step, trajectory, user_step
from hypothesis import given
from hypothesis import strategies as st
from test_report import DATASET, HOSTILE, Page, a_report, a_trial, a_variant, loads_nothing

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_connection import Connection
from adapter.opik_stored import Score
from judges.verdict import Category, Quote, Verdict
from pipelines.judge import judgement_of
from pipelines.said import chips_of
from views.pages.places import task_place, trial_place
from views.pages.text import LONGEST, shown
from views.pages.trial_model import StepView, TrialView
from views.report import Pages, Site
from views.report_model import Report
from views.spending import REST, spending, spent_on
from views.tables import CALLS, PARTS, TRIALS, frame

PLANTED = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}</style></pre>\u202e"


def flipping(folder: Path, name: str = "jobs", text: str = "plain") -> Path:
    """Two models on three tasks: one flips, one both pass, one neither does. The texts hold what is given."""
    root = folder / name
    for model, passed in (("openai/gpt-5-mini", {"b"}), ("anthropic/claude-sonnet-4-5", {"a", "b"})):
        job = JobBuilder(root, model.rpartition("/")[2])
        for task in "abc":
            for attempt in (1, 2):
                job.trial(
                    f"{task}__{attempt}{model[:2]}",
                    task=f"{task}/{text}",
                    model=model,
                    reward=float(task in passed),
                    exception=f"Error{text}" if task == "c" else None,
                    printed=f"installing\n{text}\n=== 1 of 2 tests failed {text} ===\n",
                    steps=[
                        user_step(f"Please. {text}"),
                        *(
                            agent_step(
                                f"I read. {text}",
                                ("read", {"file_path": f"a.py {text}"}, f"x = 1 {text}"),
                                cost=0.01,
                                reasoning=f"Again. {text}",
                            )
                            for _ in range(3)
                        ),
                        agent_step(f"Done. {text}", tokens=(10, 5, 0), cost=0.001),
                    ],
                )
    return root


def written(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text(encoding="utf-8") for one in folder.rglob("*.html")}


def kinds(pages: dict[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place in pages:
        kind = place.partition("/")[0] if "/" in place else "first"
        found[kind] = found.get(kind, 0) + 1
    return found


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ("all", {"first": 2, "comparisons": 1, "tasks": 3, "trials": 12}),
        ("flips", {"first": 2, "comparisons": 1, "tasks": 1, "trials": 4}),
        ("none", {"first": 2, "comparisons": 1}),
    ],
)
def test_pages_are_written_for_all_for_what_flips_or_for_none(
    tmp_path: Path, kilobench: Any, pages: str, expected: dict[str, int]
) -> None:
    folder = tmp_path / "report"
    result = kilobench("run", flipping(tmp_path), "--report", folder, "--pages", pages, "--json")
    assert result.code == 0
    found = written(folder)
    assert kinds(found) == expected
    for place, html in found.items():
        loads_nothing(html)
        for link in Page(html).all("a"):
            target, _, anchor = str(link.get("href")).partition("#")
            if not target.startswith("http"):
                there = (folder / place).parent.joinpath(target) if target else folder / place
                assert there.is_file(), f"{place} leads to {target}"
                assert not anchor or f'id="{anchor}"' in there.read_text(encoding="utf-8")


A_STEP = StepView(
    number=1,
    source="agent",
    subagent="",
    segment="",
    is_copied=False,
    message="",
    reasoning=None,
    calls=(),
    observations=(),
    model=None,
    call=1,
    cost_usd=None,
    provenance="unknown",
    own_usd=None,
    carried_usd=None,
    carried_at_least_usd=None,
    prompt_tokens=None,
    output_tokens=None,
    seconds=None,
    started_at=None,
    is_wasted=None,
    chips=(),
)


def a_page(pages: dict[str, str], kind: str, beginning: str) -> str:
    return next(html for place, html in sorted(pages.items()) if place.startswith(f"{kind}/{beginning}"))


def test_a_trial_s_page_tells_its_steps_their_cost_and_what_the_judges_say(tmp_path: Path, kilobench: Any) -> None:
    folder = tmp_path / "report"
    kilobench("run", flipping(tmp_path), "--report", folder)
    html = a_page(written(folder), "trials", "a-")
    text = Page(html).text
    for part in (
        "It passed: 4 steps, $0.0310",
        "Judges found fault with 2 steps, first with step 3.",
        "efficiency: redundant",
        "repeated action",
        "rule:",
        "Better:",
        "read a.py plain",
        "file_path: a.py plain",
        "x = 1 plain",
        "own $",
        "Attempts: 1, 2.",
    ):
        assert part in text
    # The evidence of a later step's verdict is marked where it stands.
    assert "<mark>" in html.partition('id="step-2"')[2].partition('id="step-3"')[0]
    assert any("/traces?trace=" in str(one.get("href")) for one in Page(html).all("a"))


def test_a_trial_s_page_folds_away_what_the_verifier_printed_under_its_last_line(
    tmp_path: Path, kilobench: Any
) -> None:
    folder = tmp_path / "report"
    kilobench("run", flipping(tmp_path, text=PLANTED), "--report", folder)
    html = a_page(written(folder), "trials", "a-")
    folded = Page(html[html.index('<details class="fault verifier"') :].partition("</details>")[0]).text
    summary, _, whole = folded.partition("the last 4 lines")
    assert "What the verifier printed: 1 of 2 tests failed <script>alert(1)</script>" in " ".join(summary.split())
    assert "installing" in whole
    assert "installing" not in summary


def test_a_step_of_the_same_call_does_not_repeat_its_reasoning_and_one_without_a_call_has_no_cost() -> None:
    first, again, other = (
        replace(A_STEP, number=number, call=call, reasoning="Let me look.", own_usd=0.5, cost_usd=0.5)
        for number, call in ((1, 1), (2, 1), (4, 2))
    )
    without = replace(A_STEP, number=5, call=None, own_usd=0.0, provenance=None)
    steps = (first, again, replace(again, number=3), other, without)
    html = Site(a_report(), lambda name: TrialView(name, steps), "all").page(trial_place("job/fix-test__1"))
    shown_steps = [Page(part).text for part in html.split('<li id="step-')[1:]]
    assert ["Let me look." in text for text in shown_steps] == [True, False, False, True, False]
    assert all("the same as in step 1" in " ".join(text.split()) for text in shown_steps[1:3])
    assert ["own $" in text for text in shown_steps] == [True, True, True, True, False]


@pytest.mark.parametrize(("attempts", "shown_k"), [(1, 0), (3, 3)])
def test_several_attempts_are_shown_as_pass_at_k_and_pass_hat_k_on_the_first_page_and_the_comparison_s(
    tmp_path: Path, kilobench: Any, attempts: int, shown_k: int
) -> None:
    for version, passes in (("1.0", 1), ("2.0", 2)):
        job = JobBuilder(tmp_path / "jobs", version)
        for task in "abcdefg":
            # One variant tried less often: what it cannot say is unknown.
            for attempt in range(attempts if version == "1.0" else max(1, attempts - 1)):
                passed = attempt < passes and task != "g"
                job.trial(f"{task}__{attempt}", version=version, reward=float(passed))
    kilobench("run", tmp_path / "jobs", "--report", tmp_path / "report")
    pages = written(tmp_path / "report")
    for html in (pages["index.html"], a_page(pages, "comparisons", "")):
        table = html.partition('<table class="repeats">')[2].partition("</table>")[0]
        assert table.count("<tr>") == (shown_k + 1 if shown_k else 0)
        # At two of three attempts, a task that passes once passes at least once in 2 of 3 draws, and never twice.
        assert "None" not in table
        assert [f"{6 / 7 * 2 / 3:.1%}".replace("%", " %") in table, "0 %" in table] == [bool(shown_k)] * 2


def test_a_task_s_page_has_all_attempts_side_by_side(tmp_path: Path, kilobench: Any) -> None:
    folder = tmp_path / "report"
    kilobench("run", flipping(tmp_path), "--report", folder)
    html = a_page(written(folder), "tasks", "a-")
    text = Page(html).text
    assert "0/2 passed" in text
    assert "2/2 passed" in text
    assert html.count('<th scope="row">') == 4
    assert text.index("claude-sonnet-4-5") < text.index("0/2 passed")


def test_job_folders_and_opik_give_the_same_pages(tmp_path: Path, kilobench: Any) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert kilobench("compare", flipping(tmp_path), "--report", first, "--pages", "all").code == 0
    assert kilobench("compare", "--report", second, "--pages", "all").code == 0

    def trials(folder: Path) -> dict[str, str]:
        return {place: html for place, html in written(folder).items() if place.startswith("trials/")}

    assert trials(first) == trials(second)
    assert len(trials(first)) == 12


KEPT = {"schema_version", "source", "timestamp", "type"}
"""What a reader would not take with other words in it."""


def planted(value: Any) -> Any:
    """A trajectory with markup in every one of its texts, names of tools, arguments and models among them."""
    if isinstance(value, dict):
        return {name: one if name in KEPT else planted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [planted(one) for one in value]
    return f"{value} {PLANTED}" if isinstance(value, str) else value


def hostile_jobs(root: Path) -> None:
    """Two jobs whose every text of a trial is markup: one of one model, one of another."""
    steps = [
        user_step(),
        *(
            agent_step("I look.", ("read", {"file_path": "a.py"}, "x"), reasoning="Hm.", model_name="m", cost=0.1)
            for _ in range(3)
        ),
    ]
    run = planted(trajectory(steps, session_id="s", notes="n", agent={"name": "a", "version": "1", "model_name": "m"}))
    for model in ("one", "two"):
        job = JobBuilder(root, f"hostile {model} <b>")
        job.trial(
            "x__1",
            task=f"task {PLANTED}",
            agent=f"agent {PLANTED}",
            version=f"1 {PLANTED}",
            model=f"lab/{model} {PLANTED}",
            exception=f"Error {PLANTED}",
            printed=PLANTED,
            raw_trajectory=run,
        )


def test_markup_planted_in_every_text_of_a_trajectory_is_text_on_every_page(tmp_path: Path, kilobench: Any) -> None:
    folder = tmp_path / "report"
    root = flipping(tmp_path, text=PLANTED)
    hostile_jobs(root)
    assert kilobench("run", root, "--report", folder, "--pages", "all").code == 0
    # Names of tools are shown, too.
    assert a_page(written(folder), "trials", "x-").count("<code>read &lt;script&gt;") == 3
    for html in written(folder).values():
        page = Page(html)
        assert not {tag for tag, _ in page.elements} & {"img", "iframe", "object", "embed", "base", "form"}
        assert html.count("</script>") == html.count("</style>") == 1
        assert not [name for _, values in page.elements for name in values if name.startswith("on")]
        assert "\u202e" not in html
        assert "49" not in page.text.split()
    assert "<script>alert(1)</script>" in Page(a_page(written(folder), "trials", "a-")).text


def test_a_trial_that_cannot_be_shown_says_why() -> None:
    place = trial_place("job/fix-test__1")
    assert "steps of job/fix-test__1 were not read" in Page(Site(a_report(), pages="all").page(place)).text
    empty = Site(a_report(), lambda name: TrialView(name, ()), "all").page(place)
    assert "The trial has no step" in Page(empty).text
    assert "nan" not in Page(empty.partition("<script>")[0]).text.lower().split()


def test_a_trace_that_is_gone_is_told_on_the_trial_s_page(
    tmp_path: Path, kilobench: Any, connection: Connection, server: EmbeddedOpik
) -> None:
    root = flipping(tmp_path)
    kilobench("run", root, "--opik", server.url, "--project", "p")
    from adapter.prices import BUNDLED
    from pipelines.trial_view import TrialViews

    look = TrialViews({"a": "0198f7f0-0000-7000-8000-000000000000"}, connection, BUNDLED)
    assert "cannot be read: Opik holds no such trace" in str(look("a"))
    assert "not in Opik" in str(look("b"))


def test_a_step_with_unknown_cost_shows_no_number() -> None:
    html = Site(a_report(), lambda name: TrialView(name, (A_STEP,)), "all").page(trial_place("job/fix-test__4"))
    said = html.partition('id="step-1"')[2].partition("</li>")[0]
    assert "$" not in said
    assert 'aria-label="unknown"' in said


@pytest.mark.parametrize(
    ("text", "quotes", "expected"),
    [
        ("a <b> c", (), "a &lt;b&gt; c"),
        ("one two three", ("two",), "one <mark>two</mark> three"),
        ("one\n  two", ("one two",), "<mark>one\n  two</mark>"),
        ("one two three", ("one two", "two three"), "<mark>one two three</mark>"),
        ("<b>", ("<b>",), "<mark>&lt;b&gt;</mark>"),
        ("nothing", ("elsewhere", "", "  "), "nothing"),
    ],
)
def test_quotes_are_marked_where_they_stand(text: str, quotes: tuple[str, ...], expected: str) -> None:
    assert str(shown(text, quotes).html) == expected


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=4))
def test_marks_never_change_what_a_text_says(text: str, quotes: list[str]) -> None:
    marked = str(shown(text, quotes).html).replace("<mark>", "").replace("</mark>", "")
    assert marked == str(shown(text).html)


def test_a_huge_text_says_how_much_of_it_is_left_out() -> None:
    text = "begin" + "x" * (3 * LONGEST) + "end"
    found = shown(text)
    assert len(found.html) < LONGEST + 200
    assert found.html.startswith("begin")
    assert found.html.endswith("end")
    assert f"{len(text) - LONGEST:,} characters are left out here" in found.html
    assert found.is_long
    assert not shown("short").is_long
    assert shown("\n" * 20).is_long
    assert not shown("\n" * 20 + "quoted", ["quoted"]).is_long


def test_what_a_judge_said_is_read_back_from_its_score(tmp_path: Path) -> None:
    from builder import read_one

    job = JobBuilder(tmp_path)
    trial = read_one(job, job.trial())
    verdict = Verdict(
        trial=trial.name,
        step=2,
        criterion="tool_choice",
        label="wrong",
        value=0.0,
        explanation="It is wrong.\nIn two lines.",
        evidence=(Quote(step=1, quote="Do\nit."), Quote(step=2, quote="Done.")),
        better_action="read a.py",
        category=Category.WRONG_TOOL,
        by="openai/gpt-5",
        prompt_version="3",
    )
    (score,) = judgement_of(trial, [verdict]).on_spans
    from adapter.opik_stored import Stored

    stored = Stored(
        id="s",
        digest=None,
        scores={score.name: (Score("s", score.name, score.value, score.category, score.reason),)},
        start_time=pd.Timestamp.now("UTC").to_pydatetime(),
        has=frozenset(),
        trace_id="t",
        by_people=(Score("s", "mine", 1.0, "good", "fine", "ann"),),
    )
    by_judge, by_person = chips_of(stored)
    assert (by_judge.criterion, by_judge.label, by_judge.value) == ("tool_choice", "wrong", 0.0)
    assert by_judge.explanation == verdict.explanation
    assert by_judge.better_action == verdict.better_action
    assert [(one.step, one.quote) for one in by_judge.evidence] == [(1, "Do\nit."), (2, "Done.")]
    assert by_judge.category == "wrong tool"
    assert "openai/gpt-5, prompt 3" in str(by_judge.by)
    assert (by_person.criterion, by_person.label, by_person.by) == ("mine", "good", "a person: ann")
    foreign = replace(stored, scores={"other": (Score("s", "other", 1.0, None, "mine"),)}, by_people=())
    assert chips_of(foreign) == chips_of(None) == ()


def calls_of(trial: str, *parts: dict[str, float]) -> list[dict[str, object]]:
    return [
        {"trial": trial, "call": at, "step": at, "steps": 1, "subagent": "", "segment": "", "cost_provenance": "priced"}
        | part
        for at, part in enumerate(parts, 1)
    ]


def test_the_money_of_an_attempt_is_shared_out_to_the_last_cent() -> None:
    small = a_variant()
    rows = [
        a_trial(1, small, cost_usd=1.0),
        a_trial(2, small, cost_usd=3.0),
        a_trial(3, small, cost_usd=None, cost_provenance="unknown"),
        a_trial(4, small, status="infrastructure_error", passed=None, cost_usd=9.0),
    ]
    calls = calls_of("job/fix-test__1", {"resent_usd": 0.2, "resent_cached_usd": 0.1}, {"new_usd": 0.3})
    calls += calls_of("job/fix-test__2", {"message_usd": 2.0, "unexplained_usd": -0.5})
    calls += calls_of("job/fix-test__4", {"message_usd": 9.0})
    found = spending(frame(rows, TRIALS), spent_on([frame(calls, CALLS)]))[DATASET][small.variant]
    assert (found.attempts, found.unknown) == (2, 1)
    assert found.parts["re-sent context"] == pytest.approx(0.15)
    assert found.parts["new input"] == pytest.approx(0.15)
    assert found.parts["messages"] == pytest.approx(1.0)
    assert found.parts["unexplained"] == pytest.approx(-0.25)
    assert found.parts[REST] == pytest.approx((0.4 + 1.5) / 2)
    assert sum(found.parts.values()) == pytest.approx(2.0)


def test_every_part_of_a_cost_is_of_one_kind() -> None:
    from views.spending import KINDS

    assert sorted(part for parts in KINDS.values() for part in parts) == sorted(PARTS)


def test_money_that_nobody_knows_is_not_shared_out() -> None:
    small = a_variant(cost=None)
    rows = [a_trial(1, small, cost_usd=None, cost_provenance="unknown")]
    found = spending(frame(rows, TRIALS), spent_on([frame([], CALLS)]))
    assert found[DATASET][small.variant].parts == {}
    html = Site(replace(a_report(), spending=found, variants={DATASET: (small,)}, comparisons=())).page("index.html")
    assert "the cost of no attempt is known" in Page(html).text


def test_the_overview_shows_where_the_money_goes_with_the_numbers_beside_it(tmp_path: Path, kilobench: Any) -> None:
    folder = tmp_path / "report"
    kilobench("run", flipping(tmp_path), "--report", folder, "--pages", "none")
    text = Page(written(folder)["index.html"]).text
    assert "Where the money goes" in text
    assert "fingerprints side by side" in text
    assert "share read" in text


@pytest.mark.parametrize("name", ["a/b", "../../etc/passwd", HOSTILE, "", "x" * 300, "CON", ".", "é/ü"])
def test_no_name_leads_out_of_the_report_s_folder(name: str) -> None:
    for place in (task_place(name, name), trial_place(f"{name}/{name}")):
        folder, _, file = place.partition("/")
        assert folder in ("tasks", "trials")
        assert "/" not in file
        assert file.isascii()
        assert not file.startswith(".")
        assert len(file) < 110
    assert task_place("a", "b-c") != task_place("a-b", "c")


def test_a_regrade_is_among_the_trials_and_in_nothing_else() -> None:
    report = a_report()
    again = a_trial(9, a_variant(), task="fix-test", passed=None, regrade_of="job/fix-test__1")
    trials = pd.concat([report.trials, frame([again], TRIALS)], ignore_index=True)
    site = Site(replace(report, trials=trials), pages="all")
    text = Page(site.page("trials.html")).text
    assert "only grades again job/fix-test__1" in text
    assert "1 only grade another again" in Page(site.page("index.html")).text
    assert "job/fix-test__9" not in Page(site.page(task_place(DATASET, "fix-test"))).text


def two_versions() -> Report:
    small = a_variant()
    rows = [a_trial(n, small, dataset_version=str(n), task=f"t{n}") for n in (1, 2)]
    variants = {f"{DATASET}@{n}": (small,) for n in (1, 2)}
    return replace(a_report(), trials=frame(rows, TRIALS), variants=variants, comparisons=())


@pytest.mark.parametrize("pages", ["all", "none"])
def test_a_dataset_in_two_versions_has_a_leaderboard_and_tasks_for_each(pages: Pages) -> None:
    site = Site(two_versions(), pages=pages)
    text = Page(site.page("index.html")).text
    assert f"{DATASET}@1" in text
    assert f"{DATASET}@2" in text
    assert sum(place.startswith("tasks/") for place in site.places()) == (2 if pages == "all" else 0)
    assert json.dumps(sorted(site.places()))
