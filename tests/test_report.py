from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from adapter.trial import Severity
from views import charts
from views.pages.places import INDEX, comparison_place
from views.report import Look, Pages, Site, write_report
from views.report_model import FindingGroup, LeftOut, Report, ReportComparison, VerdictTotal
from views.results import Comparison, Complementarity, Couple, Estimate, Flip, Pair, PairMetric, VariantResult
from views.tables import TRIALS, frame

DATASET = "demo"
HEADLINE = "large passes 10.0 pp more than small, at 4 times the cost."
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}</style>\x00\u202e\ud800"


def a_variant(
    model: str = "small",
    *,
    cost: float | None = 0.02,
    passes: int = 6,
    attempts: int = 12,
    version: str = "7.7.9",
    at_least: bool = False,
) -> VariantResult:
    unknown = Estimate(value=None, missing=attempts, reason="no cost is known")
    rate = passes / attempts if attempts else None
    spent = None if cost is None else cost * attempts
    complete = Estimate(value=None, infinite=True, reason="no attempt passed")
    if spent is not None and passes:
        complete = Estimate(value=spent / passes, low=spent / passes / 2, n=attempts, at_least=at_least)
    return VariantResult(
        variant=f"kilo@{version}/acme/{model}",
        agent="kilo",
        agent_version=version,
        model=model,
        provider="acme",
        effort=None,
        digest=None,
        jobs=("job",),
        tasks=4,
        attempts=attempts,
        passes=passes,
        excluded={"infrastructure_error": 1},
        pass_rate=Estimate(value=rate, low=None if rate is None else rate * 0.6, high=rate, n=attempts),
        cost_per_attempt_usd=unknown
        if cost is None
        else Estimate(value=cost, low=cost * 0.8, high=cost * 1.3, n=attempts),
        cost_to_complete_usd=unknown if cost is None else complete,
        tokens_per_attempt=Estimate(value=123_456, n=attempts),
        seconds_per_attempt=Estimate(value=185, n=attempts),
        steps_per_attempt=Estimate(value=14.2, n=attempts),
        scores={"tool_choice": Estimate(value=0.25, n=attempts)},
    )


def a_comparison(*variants: VariantResult, task: str = "fix-test") -> ReportComparison:
    a, b = variants[0].variant, variants[1].variant
    metrics = (
        PairMetric(metric="pass_rate", difference=0.1, low=0.02, high=0.2, tasks=4, p=0.0421, verdict="better"),
        PairMetric(metric="cost_usd", difference=0.06, low=None, high=None, tasks=4, reason="all are equal"),
    )
    return ReportComparison(
        comparison=Comparison(
            name="model-vs-model on demo, kilo@7.7.9",
            by="model",
            dataset=DATASET,
            fixed={"agent": "kilo", "agent_version": "7.7.9", "effort": None},
            rule="A difference is real when its interval leaves out 0.",
            variants=variants,
            pairs=(
                Pair(
                    a=a,
                    b=b,
                    tasks=4,
                    metrics=metrics,
                    gained=(task,),
                    lost=(),
                    flips=(Flip(task=task, a_passes=1, a_attempts=3, b_passes=3, b_attempts=3, p=0.4),),
                    left_out={f"other-{task}": "its checksums differ", f"third-{task}": "its checksums differ"},
                    unequal=(f"uneven-{task}",),
                ),
            ),
            complementarity=Complementarity(
                tasks=4,
                only={a: (), b: (f"only-{task}",)},
                best=b,
                best_rate=0.75,
                oracle_rate=0.8,
                gain=0.05,
                couple=Couple(a=a, b=b, oracle_rate=0.8, cost_usd=1.5),
            ),
        ),
        headline=HEADLINE,
        url="https://opik.example/dashboards/1",
    )


def a_trial(number: int, variant: VariantResult, *, task: str = "fix-test", **changes: object) -> dict[str, object]:
    return {
        "trial": f"job/{task}__{number}",
        "job": "job",
        "job_id": "j",
        "trial_id": str(number),
        "task": task,
        "dataset": DATASET,
        "variant": variant.variant,
        "agent": "kilo",
        "status": "passed",
        "passed": True,
        "reward": 1.0,
        "agent_steps": 14,
        "input": 1000,
        "cache_read": 22_000,
        "output": 500,
        "cost_usd": 0.0123,
        "cost_provenance": "recorded",
        "seconds": 185.0,
        "flagged_tool_choice": 0.25,
        "findings": 0,
    } | changes


def a_report() -> Report:
    """Two variants, one task each way: one passed, failed, priced, unknown and broken by the infrastructure."""
    small, large = a_variant(), a_variant("large", cost=0.08, passes=9)
    rows = [
        a_trial(1, small),
        a_trial(2, small, status="failed", passed=False, reward=0.0),
        a_trial(3, large, cost_provenance="priced"),
        a_trial(4, large, cost_usd=None, cost_provenance="unknown"),
        a_trial(5, large, status="infrastructure_error", passed=None, reward=None, cost_provenance="apportioned"),
    ]
    return Report(
        title="small against large",
        trials=frame(rows, TRIALS),
        jobs=("/home/someone/jobs/monday",),
        variants={DATASET: (small, large)},
        comparisons=(a_comparison(small, large),),
        findings=(
            FindingGroup("no_timestamps", Severity.INFO, 7, "a step has no time stamp"),
            FindingGroup("cost_zero", Severity.WARNING, 2, "the cost is 0 with tokens used", "job/t__1", 4),
        ),
        left_out=(LeftOut("monday/broken__1", "result.json is cut off"),),
        verdicts=(VerdictTotal("efficiency", "large_output", 31, "step 3 printed 48,211 characters"),),
        product_version="0.1.0",
    )


class Page(HTMLParser):
    """The elements, visible text and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def render(report: Report) -> str:
    """The first page."""
    return Site(report).page(INDEX)


def page(report: Report) -> Page:
    return Page(render(report))


def compared(report: Report) -> str:
    """The page of the report's only comparison."""
    return Site(report).page(comparison_place(report.comparisons[0].comparison.name))


def every_page(report: Report, pages: Pages = "all", look: Look | None = None) -> dict[str, str]:
    site = Site(report, pages=pages) if look is None else Site(report, look, pages)
    return {place: site.page(place) for place in site.places()}


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*.*") if one.is_file()}


def test_the_report_is_pages_in_a_folder_that_it_makes(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    path = write_report(folder, Site(a_report()))
    assert path == folder / "index.html"
    assert files(folder) == {*Site(a_report()).places(), ".pages.json"}


def test_a_later_report_takes_the_place_of_an_earlier_one_and_touches_nothing_else(tmp_path: Path) -> None:
    write_report(tmp_path, Site(a_report(), pages="all"))
    (tmp_path / "trials" / "notes.html").write_text("mine")
    (tmp_path / ".pages.json").write_text(
        (tmp_path / ".pages.json").read_text().replace("[", '["../outside.html", "/etc/x.html", 7, ', 1)
    )
    (tmp_path.parent / "outside.html").write_text("mine")
    path = write_report(tmp_path, Site(replace(a_report(), title="again", comparisons=()), pages="none"))
    assert files(tmp_path) == {"index.html", "trials.html", ".pages.json", "trials/notes.html"}
    assert (tmp_path.parent / "outside.html").read_text() == "mine"
    assert "again" in path.read_text(encoding="utf-8")


def test_the_answer_comes_before_everything_else() -> None:
    text = page(a_report()).text.partition("The answer")[2]
    places = [
        text.index(part)
        for part in (
            HEADLINE,
            "Known spend",
            "Best pass rate first",
            "Left out, and why",
            "How to read this",
        )
    ]
    assert places == sorted(places)


def test_what_was_read_is_counted_with_what_is_not_known_and_not_compared() -> None:
    text = page(a_report()).text
    assert "Trials read5 4 count as attempts".replace(" ", "") in text.replace(" ", "")
    assert "$0.0492" in text
    assert "2 recorded, 1 priced, 1 unknown, 1 apportioned" in text
    assert "1 infrastructure error" in text
    assert "monday" in text
    assert "/home/someone" not in text


def test_the_leaderboard_shows_every_number_with_its_interval() -> None:
    text = page(a_report()).text
    for part in ("75.0 %", "45.0 to 75.0 %", "9 / 12", "$0.0800", "$0.0640 to $0.104", "$0.107", "123k", "3 min 05 s"):
        assert part in text
    assert text.index("75.0 %") < text.index("50.0 %")


def test_a_lower_bound_says_so() -> None:
    variant = a_variant(at_least=True)
    text = page(replace(a_report(), variants={DATASET: (variant,)}, comparisons=())).text
    assert "at least $0.0400" in text


def test_a_comparison_shows_differences_verdict_reason_and_what_is_held_equal() -> None:
    shown = Page(compared(a_report()))
    for part in (
        "model-vs-model on demo, kilo@7.7.9",
        "agent version 7.7.9",
        "effort default",
        "A difference is real when its interval leaves out 0.",
        "+10.0 pp",
        "+2.0 to +20.0 pp",
        "better",
        "+$0.0600",
        "all are equal",
        "1 gained and 0 lost",
        "fix-test",
        "0.042",
        "Compared with unequal attempts1: uneven-fix-test",
        "Not compared: its checksums differ2: other-fix-test, third-fix-test",
    ):
        assert part in shown.text
    assert any(one.get("href") == "https://opik.example/dashboards/1" for one in shown.all("a"))


def test_the_heat_map_counts_passes_of_attempts_task_by_task() -> None:
    html = compared(a_report())
    heat = html[html.index('<table class="heat sortable">') :].partition("</table>")[0]
    assert re.findall(r'<td data-v="\S+" class="h(\d)">(\S+?)<', heat) == [("2", "1/2"), ("4", "2/2")]
    assert re.findall(r'aria-label="[^"]*">(\S)<', heat) == ["✓", "✗", "✓", "✓", "○"]
    assert "1 left out" in heat


def test_costs_look_like_where_they_come_from() -> None:
    html = Site(a_report()).page("trials.html")
    for part in (
        "≈ $0.0123",
        "÷ $0.0123",
        'class="priced"',
        'class="apportioned"',
        'class="recorded"',
        'class="unknown"',
    ):
        assert part in html


def test_what_is_not_known_is_marked_for_eyes_and_ears_and_is_never_zero() -> None:
    html = render(replace(a_report(), variants={DATASET: (a_variant(cost=None),)}, comparisons=()))
    assert '<i role="img" aria-label="unknown" title="unknown">–</i>' in html
    assert "$0<" not in html
    assert "None" not in html
    assert "nan" not in Page(html).text.lower().split()


def test_the_worst_findings_come_first() -> None:
    text = page(a_report()).text
    assert text.index("the cost is 0 with tokens used") < text.index("a step has no time stamp")
    for part in ("job/t__1, step 4", "result.json is cut off", "large output", "step 3 printed 48,211 characters"):
        assert part in text


def hostile_report() -> Report:
    variants = (a_variant(HOSTILE), a_variant(f"{HOSTILE}2", cost=0.08), a_variant(f"{HOSTILE}3", cost=None))
    # Half characters cannot be in a data frame at all.
    text = HOSTILE.replace("\ud800", "")
    named = {"job": text, "dataset": text, "status": text, "exception": text, "cost_provenance": text}
    rows = [
        a_trial(number, a_variant(), task=f"{text}/slashed")
        | {"trial": f"{text}{number}", "variant": f"{text}{number}"}
        | named
        for number in range(len(variants))
    ]
    given = a_comparison(*variants, task=f"{text}/slashed")
    comparison = given.comparison.model_copy(
        update={"name": HOSTILE, "fixed": {HOSTILE: HOSTILE}, "rule": HOSTILE, "dataset": text}
    )
    return Report(
        title=HOSTILE,
        trials=frame(rows, TRIALS),
        jobs=(f"/x/{HOSTILE}",),
        variants={text: variants},
        comparisons=(replace(given, comparison=comparison, headline=HOSTILE, url=f"javascript:{HOSTILE}"),),
        findings=(FindingGroup(HOSTILE, Severity.ERROR, 1, HOSTILE, HOSTILE, 1),),
        left_out=(LeftOut(HOSTILE, HOSTILE),),
        verdicts=(VerdictTotal(HOSTILE, HOSTILE, 1, HOSTILE),),
        product_version=HOSTILE,
    )


def test_markup_in_any_text_is_text_on_every_page(tmp_path: Path) -> None:
    write_report(tmp_path, Site(hostile_report(), pages="all"))
    pages = [one.read_text(encoding="utf-8") for one in tmp_path.rglob("*.html")]
    assert len(pages) == 7  # overview, trials, comparison, task and a page for each of three trials
    for html in pages:
        shown = Page(html)
        tags = {tag for tag, _ in shown.elements}
        assert not tags & {"img", "iframe", "object", "embed", "base", "form", "foreignobject", "use", "image"}
        assert html.count("</style>") == html.count("</script>") == 1
        assert len(shown.all("script")) == 1
        attributes = [(name, value or "") for _, values in shown.elements for name, value in values.items()]
        assert not [name for name, _ in attributes if name.startswith("on")]
        assert not [value for name, value in attributes if name in ("href", "src") and "javascript:" in value]
        assert "<script>alert(1)</script>" in shown.text
        assert "{{ 7*7 }}" in shown.text
        assert not set(html) & set("\x00\u202e\ud800")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//elsewhere"])
def test_a_saved_view_is_a_link_only_when_it_is_on_the_web(url: str) -> None:
    report = a_report()
    shown = Page(compared(replace(report, comparisons=(replace(report.comparisons[0], url=url),))))
    assert all((one.get("href") or "").startswith(("#", "../")) for one in shown.all("a"))


@pytest.mark.parametrize("report", [a_report(), hostile_report()], ids=["plain", "hostile"])
def test_no_page_loads_anything_and_its_policy_allows_nothing_but_its_own_style_and_script(report: Report) -> None:
    for html in every_page(report).values():
        loads_nothing(html)


def digest_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def loads_nothing(html: str) -> None:
    shown = Page(html)
    style = html.partition("<style>")[2].partition("</style>")[0]
    script = html.rpartition("<script>")[2].partition("</script>")[0]
    policies = [one["content"] for one in shown.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    own = f"style-src 'sha256-{digest_of(style)}'; script-src 'sha256-{digest_of(script)}'"
    assert policies == [f"default-src 'none'; {own}; img-src data:; base-uri 'none'; form-action 'none'"]
    assert not [values for _, values in shown.elements if "style" in values]
    assert [one["href"] for one in shown.all("link")] == ["data:,"]
    assert not re.search(r"url\(|@import", style)
    for tag, values in shown.elements:
        assert "src" not in values
        assert "xlink:href" not in values
        assert tag == "a" or not (values.get("href") or "").startswith(("http", "//"))


@pytest.mark.parametrize("place", list(Site(a_report(), pages="all").places()))
def test_headings_go_down_one_level_at_a_time_and_tables_are_labelled(place: str) -> None:
    html = Site(a_report(), pages="all").page(place)
    shown = Page(html)
    levels = [int(tag[1]) for tag, _ in shown.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(shown.all("caption")) == len(shown.all("table"))
    assert place.startswith("trials/") or shown.all("table")
    assert all(one.get("scope") in ("col", "row", "rowgroup") for one in shown.all("th"))
    anchors = {one["href"] for one in shown.all("a") if (one["href"] or "").startswith("#")}
    assert anchors <= {f"#{values['id']}" for _, values in shown.elements if "id" in values}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"trials": frame([], TRIALS), "variants": {}, "comparisons": ()},
            ["No trial could be read, so nothing can be said", "No trial was read.", "result.json is cut off"],
        ),
        (
            {"variants": {DATASET: (a_variant(),)}, "comparisons": ()},
            [
                "kilo@7.7.9/acme/small passed 6 of 12 attempts (50.0 %, 95 % interval 30.0 to 50.0 %) at $0.0200",
                "There is no second variant to compare it with.",
            ],
        ),
        (
            {"variants": {DATASET: (a_variant(cost=None),)}, "comparisons": ()},
            ["at a cost that is not known", "so nothing is drawn", "Not drawn:", "(no cost is known)"],
        ),
        (
            {"variants": {DATASET: (a_variant(attempts=0, passes=0, cost=None),)}, "comparisons": ()},
            ["No trial is an attempt of an agent"],
        ),
        (
            {"variants": {DATASET: (a_variant(passes=0), a_variant("large", passes=0))}, "comparisons": ()},
            ["no two variants that differ in one respect only", "∞no attempt passed", "0 %"],
        ),
        (
            {"variants": {"one": (a_variant(),), "two": (a_variant(),)}, "comparisons": ()},
            ["2 results, but no two variants"],
        ),
        ({"findings": (), "left_out": (), "verdicts": (), "jobs": ()}, ["Nothing was left out.", "None."]),
    ],
    ids=["no trial", "one variant", "no cost", "no attempt", "all failed", "two datasets", "nothing to report"],
)
def test_the_page_says_what_can_and_cannot_be_said(changes: dict[str, object], said: list[str]) -> None:
    report = replace(a_report(), **changes)  # pyright: ignore[reportArgumentType]
    text = "".join(Page(html).text for html in every_page(report).values())
    for part in said:
        assert part in text


def test_a_comparison_without_pairs_says_so() -> None:
    report = a_report()
    one = report.comparisons[0]
    alone = replace(one, comparison=one.comparison.model_copy(update={"pairs": ()}), url=None)
    assert "no paired difference" in Page(compared(replace(report, comparisons=(alone,)))).text


def test_five_thousand_trials_stay_under_five_megabytes() -> None:
    small = a_variant()
    rows = [a_trial(number, small, task=f"a-task-of-ordinary-length-{number // 5}") for number in range(5000)]
    report = replace(a_report(), trials=frame(rows, TRIALS), variants={DATASET: (small,)}, comparisons=())
    assert len(Site(report).page("trials.html").encode()) < 5_000_000
    assert len(render(report).encode()) < 300_000


@pytest.mark.parametrize(
    ("places", "front"),
    [
        ([], ""),
        ([("a", 0.1, 3)], "a"),
        ([("a", 0.1, 3), ("b", 0.2, 3)], "a"),
        ([("a", 0.1, 3), ("b", 0.1, 6)], "b"),
        ([("a", 0.1, 3), ("b", 0.2, 6), ("c", 0.3, 5)], "ab"),
        ([("a", 0.1, 3), ("b", 0.1, 3)], "ab"),
        ([("a", None, 12), ("b", 0.1, 3)], "b"),
        ([("a", 0.1, 0)], "a"),
    ],
)
def test_the_pareto_front_is_what_nothing_beats(places: list[tuple[str, float | None, int]], front: str) -> None:
    variants = [a_variant(name, cost=cost, passes=passes) for name, cost, passes in places]
    assert charts.pareto_front(variants) == {a_variant(name).variant for name in front}


def drawn(spec: charts.Spec | None) -> Page:
    assert spec is not None
    return Page(charts.svg(spec))


def test_the_pictures_name_each_variant_and_leave_out_what_is_not_known() -> None:
    variants = [
        a_variant(),
        a_variant("large", cost=0.08, passes=9),
        a_variant("dear", cost=None),
        a_variant("hopeless", passes=0),
    ]
    places, bars = drawn(charts.cost_against_pass_rate(variants)), drawn(charts.cost_to_complete(variants))
    assert all(name in places.text for name in ("small", "large", "hopeless", "cost per attempt"))
    assert "dear" not in places.text
    assert "small: $0.0400" in bars.text
    assert "hopeless" not in bars.text
    assert list(charts.undrawn(variants, "cost").values()) == ["no cost is known"]
    assert list(charts.undrawn(variants, "complete").values()) == ["no cost is known", "no attempt passed"]


@pytest.mark.parametrize("costs", [(0.0, 0.0), (0.01, 0.02), (0.001, 1.7), (1e-7, 2e-7), (900.0, 45_000.0), (0.0, 3.0)])
def test_pictures_span_any_costs_with_round_ticks(costs: tuple[float, float]) -> None:
    variants = [a_variant("a", cost=costs[0]), a_variant("b", cost=costs[1])]
    for spec in (charts.cost_against_pass_rate(variants), charts.cost_to_complete(variants)):
        shown = drawn(spec)
        labels = re.findall(r"\$[\d.,]+", shown.text)
        assert len(labels) >= 2
        assert "NaN" not in str(shown.elements)


def test_nothing_is_drawn_from_nothing() -> None:
    unknown = [a_variant(cost=None)]
    assert charts.cost_against_pass_rate(unknown) is None
    assert charts.cost_to_complete(unknown) is None


def test_six_variants_close_together_keep_their_labels_apart() -> None:
    variants = [a_variant(f"model-number-{n}", cost=0.02 + n / 2000, passes=6 + n % 2) for n in range(6)]
    svg = charts.svg(charts.cost_against_pass_rate(variants) or {})
    labels = re.findall(
        r'text-anchor="(start|end)" transform="translate\(([\d.-]+),([\d.-]+)\)[^>]*>(model-\S+?)<', svg
    )
    boxes = [(float(x) - (80 if side == "end" else 0), float(y)) for side, x, y, _ in labels]
    assert len(boxes) == 6
    close = [
        (one, other)
        for index, one in enumerate(boxes)
        for other in boxes[:index]
        if abs(one[0] - other[0]) < 80 and abs(one[1] - other[1]) < 12
    ]
    assert close == []
