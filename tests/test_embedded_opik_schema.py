"""Whatever is sent to the embedded store's routes, it answers with a status that its schema names, and never breaks.

What is sent is made from the schema alone, so that a new route is tried with the others as soon as it is there.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from opik import id_helpers

from adapter.embedded_opik import EmbeddedOpik, create_app, wire
from adapter.embedded_opik.fields import EXPERIMENT_FIELDS, SPAN_FIELDS, TRACE_FIELDS
from adapter.embedded_opik.filters import OPERATORS

BODILESS = {
    ("POST", f"{wire.API}/auth"),
    ("POST", f"{wire.API}/prompts/{{identifier}}/versions/{{version}}/restore"),
}
type Json = dict[str, Any]
NAMED = ("trace", "span", "item", "experiment", "link", "environment", "definition", "queue")
TRIES = 60
"""Requests to each route."""
T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FIELDS = sorted({*TRACE_FIELDS, *SPAN_FIELDS, *EXPERIMENT_FIELDS, "metadata.a", "feedback_scores.reward"})
WORDS = sorted(set[str]().union(*OPERATORS.values()))
HOSTILE = [
    "", " ", "\x00", "a\x00b", "\ud800", "\U0001f600" * 50, "x" * 100_000, "'; DROP TABLE traces; --", "%", "{}", "[]",
    "null", "NaN", "1e400", "$[99999999999999999999]", '$."\\"', "a[0][", "\\", '"', ".", "v1", "latest",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-02-30T00:00:00Z",
    0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400, 1e308, 5e-324, -0.0, True, None,
    [], [None], [[[]]], {}, {"": None}, {"a\x00": {"$": [1, "2", None]}}, ["a", 1, None, {}],
]  # fmt: skip
"""Values that a program may choke on, for any place in a body."""
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[1]",
    "bytes that are no UTF-8": b'{"name": "\xff\xfe"}',
    "half a character": b'{"name": "\\ud800"}',
    "a number that is none": b'{"value": NaN, "limit": Infinity}',
    "an endless number": b'{"value": ' + b"9" * 5000 + b"}",
    "lists a hundred thousand deep": b'{"name": ' + b"[" * 100_000,
    "objects three hundred deep": b'{"input":' * 300 + b"1" + b"}" * 300,
    "one name many times": b'{"name": "a", "name": 1, "ids": [], "ids": ["x"]}',
}


@cache
def _document() -> Json:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Path(folder) / "store.db")
        app.state.store.close()
        return app.openapi()


def _operations(*, with_body: bool = False) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, methods in sorted(_document()["paths"].items())
        for method, operation in sorted(methods.items())
        if not with_body or "requestBody" in operation
    ]


class Served:
    """A store that listens and holds a few rows of each kind."""

    def __init__(self, store: EmbeddedOpik, database: Path) -> None:
        self.store, self.database = store, database
        self.root = store.url.removesuffix("/api")
        self.client = httpx.Client(base_url=self.root, timeout=30.0)
        self.ids = {name: id_helpers.generate_id(T0) for name in NAMED}

    def fill(self) -> None:
        """Store one row of each kind, again where it was deleted."""
        ids, at = self.ids, {"start_time": T0.isoformat(), "project_name": "demo"}
        said = {"input": {"a": "b"}, "metadata": {"a": 1}, "tags": ["x"]}
        usage = {"usage": {"total_tokens": 3}, "total_estimated_cost": 0.5, "type": "llm"}
        score = {"name": "reward", "value": 1.0, "source": "sdk", "project_name": "demo"}
        experiment = {"dataset_name": "tasks", "name": "run", "project_name": "demo", "metadata": {"model": "m"}}
        link = {"experiment_id": ids["experiment"], "dataset_item_id": ids["item"], "trace_id": ids["trace"]}
        item = {"id": ids["item"], "source": "sdk", "data": {"task": "t"}}
        self.send("POST", "traces/batch", {"traces": [{"id": ids["trace"], **at, **said}]})
        self.send("POST", "spans/batch", {"spans": [
            {"id": ids["span"], "trace_id": ids["trace"], **at, **said, **usage}]})  # fmt: skip
        self.send("PUT", "traces/feedback-scores", {"scores": [{"id": ids["trace"], **score}]})
        self.send("PUT", "spans/feedback-scores", {"scores": [{"id": ids["span"], **score}]})
        self.send("PUT", "datasets/items", {"dataset_name": "tasks", "items": [item]})
        self.send("POST", "experiments", {"id": ids["experiment"], **experiment})
        self.send("POST", "experiments/items", {"experiment_items": [{"id": ids["link"], **link}]})
        self.send("POST", "dashboards", {"name": "view", "config": {"sections": []}})
        self.send("POST", "prompts/versions", {"name": "rubric", "version": {"template": "t"}, "project_name": "demo"})
        range_of = {"type": "numerical", "details": {"min": 0, "max": 1}}
        for path, body in (
            ("environments", {"id": ids["environment"], "name": "canary"}),
            ("feedback-definitions", {"id": ids["definition"], "name": "quality", **range_of}),
        ):
            assert self.client.post(f"{wire.API}/{path}", json=body).status_code in {201, 409}
        project = self.client.post(f"{wire.API}/projects/retrieve", json={"name": "demo"}).json()["id"]
        queue = {"id": ids["queue"], "name": "look", "scope": "trace", "project_id": project}
        self.send("POST", "annotation-queues", queue)
        self.send("POST", f"annotation-queues/{ids['queue']}/items/add", {"ids": [ids["trace"]]})
        of = {"file_name": "a.txt", "entity_type": "trace", "entity_id": ids["trace"], "project_name": "demo"}
        assert self.client.put(f"{wire.API}/attachment/upload", params=of, content=b"text").status_code == 204

    def send(self, method: str, path: str, body: Json) -> None:
        answer = self.client.request(method, f"{wire.API}/{path}", json=body)
        assert answer.is_success, answer.text

    def column(self, name: str) -> dict[str, list[str]]:
        """The values of a column in each table that has it."""
        with closing(sqlite3.connect(self.database)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            having = [t for t in tables if name in {row[1] for row in connection.execute(f"PRAGMA table_info({t})")}]
            found = {
                table: [row[0] for row in connection.execute(f"SELECT {name} FROM {table} ORDER BY rowid LIMIT 100")]
                for table in having
            }
            return {table: values for table, values in found.items() if values}

    def answered(self, method: str, path: str, answer: httpx.Response, sent: object) -> None:
        """Check that an answer is one that the schema names."""
        documented = _document()["paths"][path][method.lower()]["responses"]
        told = f"{answer.status_code} {answer.text[:500]} to {method} {sent}"
        assert str(answer.status_code) in documented, told
        assert answer.status_code < 500 or answer.status_code == 501, told


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("schema") / "store.db"
    with EmbeddedOpik(database) as store:
        held = Served(store, database)
        yield held
        held.client.close()
        import collections

        c = collections.Counter()
        [c.update({k[2]: v}) for k, v in store.app.state.requests.items()]
        print(c)
        print(
            sorted({k[:2] for k in store.app.state.requests} - {k[:2] for k in store.app.state.requests if k[2] < 300})
        )


def test_every_route_that_takes_a_body_names_its_type() -> None:
    writing = {(method, path) for method, path in _operations() if method in {"POST", "PUT", "PATCH"}}
    assert len(writing) > 30
    assert writing - set(_operations(with_body=True)) == BODILESS


def test_the_schema_knows_the_words_of_an_enum_and_no_others() -> None:
    schemas = _document()["components"]["schemas"]
    words = {"enum": ["general", "tool", "llm", "guardrail"], "type": "string"}
    assert schemas["SpanWrite"]["properties"]["type"]["anyOf"] == [words, {"type": "null"}]
    listed = {one["name"]: one for one in _document()["paths"][f"{wire.API}/spans"]["get"]["parameters"]}
    reference = listed["type"]["schema"]["anyOf"][0]["$ref"]
    assert schemas[reference.rpartition("/")[2]].items() >= words.items()


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused(served: Served, what: str) -> None:
    for method, path in _operations(with_body=True):
        address = re.sub(r"\{\w+\}", served.ids["trace"], path)
        answer = served.client.request(method, address, content=UNREADABLE[what])
        served.answered(method, path, answer, address)
        assert 400 <= answer.status_code < 500, f"{method} {path}: {answer.status_code}"


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), _operations())
def test_no_value_breaks_a_route(served: Served, method: str, path: str) -> None:
    """Requests that fit the schema and name what is stored, all but the first few with one hostile value in them."""
    served.fill()
    operation = _document()["paths"][path][method.lower()]
    stored = Stored(served.column("id"), served.column("name"))
    for number in range(TRIES):
        making = Making(random.Random(f"{method} {path} {number}"), stored)
        request = making.request(path, operation)
        if number >= TRIES // 5:
            making.spoil(request)
        address = path
        for name, value in request["path"].items():
            # Nothing and a dot would be the address of another route.
            address = address.replace(f"{{{name}}}", quote(_shown(value), safe="").removesuffix(".") or "-")
        query = {name: _shown(value) for name, value in request["query"].items()}
        # As Python writes it: lone surrogates and endless numbers go through, which httpx would not send.
        body = json.dumps(request["body"]).encode() if "body" in request else b""
        answer = served.client.request(method, address, params=query, content=body)
        served.answered(method, path, answer, (address, query, body[:2000]))


MANY = {"field": "name", "operator": "=", "value": "a"}
LONG = {"field": "source", "operator": "in", "value": ",".join(map(str, range(40_000)))}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "spans/search", {"project_name": "demo", "filters": [MANY] * 1500}, 400),
        ("POST", "spans/search", {"project_name": "demo", "filters": [LONG]}, 200),
        ("PATCH", "spans/{span}", {"trace_id": "{trace}", "usage": {"total_tokens": 2**62}}, 400),
        ("PATCH", "spans/{span}", {"trace_id": "{trace}", "total_estimated_cost": -1}, 422),
        (
            "PUT",
            "traces/feedback-scores",
            {"scores": [{"id": "{trace}", "name": "n", "value": 1, "source": None}]},
            422,
        ),
        ("POST", "datasets/items/stream", {"dataset_name": "tasks", "last_retrieved_id": "x"}, 400),
    ],
)
def test_what_would_break_the_database_is_refused(
    served: Served, method: str, path: str, body: Json, status: int
) -> None:
    served.fill()
    sent = json.dumps(body)
    for name, value in served.ids.items():
        path, sent = path.replace(f"{{{name}}}", value), sent.replace(f"{{{name}}}", value)
    assert served.client.request(method, f"{wire.API}/{path}", content=sent).status_code == status


def test_a_page_ranks_by_a_number_beyond_all_floats(served: Served) -> None:
    for value in (1, 10**400):
        served.send("POST", "experiments", {"dataset_name": "tasks", "tags": ["large"], "metadata": {"n": value}})
    config = {
        "selected_columns": ["metadata.n"], "enable_ranking": True, "ranking_metric": "metadata.n",
        "filters": [{"field": "tags", "operator": "contains", "value": "large"}],
    }  # fmt: skip
    view = {"sections": [{"widgets": [{"type": "experiment_leaderboard", "config": config}]}]}
    made = served.client.post(f"{wire.API}/dashboards", json={"name": "large", "config": view}).json()
    page = served.client.get(f"/default/dashboards/{made['id']}")
    assert page.status_code == 200
    assert page.text.index("<td>1" + "0" * 400) < page.text.index("<td>1</td>")


def test_something_after_a_gzipped_body_is_refused(served: Served) -> None:
    body = gzip.compress(b'{"name": "one"}')
    for more, status in ((b"", 404), (b"x", 400), (body, 400)):
        answer = served.client.post(
            f"{wire.API}/projects/retrieve", content=body + more, headers={"Content-Encoding": "gzip"}
        )
        assert answer.status_code == status


@dataclass(frozen=True)
class Stored:
    """The ids and the names that each table holds."""

    ids: dict[str, list[str]]
    names: dict[str, list[str]]


class Making:
    """Makes requests from the schema, and spoils them."""

    def __init__(self, chance: random.Random, stored: Stored) -> None:
        self.chance, self.stored = chance, stored

    def request(self, path: str, operation: Json) -> Json:
        made: Json = {"path": {}, "query": {}}
        for parameter in operation.get("parameters", []):
            name, kind = parameter["name"], parameter["in"]
            # A path says what its identifier is of: `/spans/{identifier}`.
            meant = path.partition(f"/{{{name}}}")[0].rpartition("/")[2] + "_id" if kind == "path" else name
            if parameter["required"] or self.chance.random() < 0.5:
                made[kind][name] = self.value(parameter["schema"], meant)
        if "requestBody" in operation:
            ((_, content),) = operation["requestBody"]["content"].items()
            made["body"] = self.value(content["schema"], "")
        return made

    def value(self, schema: Json, name: str) -> Any:
        if "$ref" in schema:
            return self.value(_document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
        choices = [one for one in schema.get("anyOf", schema.get("oneOf", [])) if one != {"type": "null"}]
        if choices:
            return self.value(self.chance.choice(choices), name)
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        match schema.get("type"):
            case "object" if "properties" in schema:
                return self.filter() if "operator" in schema["properties"] else self.object(schema)
            case "object":
                held = schema.get("additionalProperties")
                return {key: self.value(held if isinstance(held, dict) else {}, key) for key in ("a", "total_tokens")}
            case "array":
                return [self.value(schema["items"], name.removesuffix("s")) for _ in range(self.chance.randint(1, 2))]
            case "integer" | "number":
                return self.chance.choice([1, 2, 10])
            case "boolean":
                return self.chance.random() < 0.5
            case "string":
                return self.text(schema, name)
            case _:
                return self.chance.choice(["a", 1, None, {"a": [1]}])

    def object(self, schema: Json) -> Json:
        required = schema.get("required", [])
        return {
            key: self.value(one, key)
            for key, one in schema["properties"].items()
            if key in required or self.chance.random() < 0.5
        }

    def text(self, schema: Json, name: str) -> str:
        if schema.get("format") == "date-time":
            return self.chance.choice([T0, T0 + timedelta(days=1)]).isoformat()
        if name == "filters":
            return json.dumps([self.filter()])
        if name in {"exclude", "types"}:
            return '["input", "regular"]'
        if name.endswith("ids"):
            return json.dumps([self.id(name)])
        if name.endswith("id"):
            return self.id(name)
        return self.chance.choice([*chain(*self.stored.names.values()), "v1"]) if name.endswith("name") else "a"

    def id(self, name: str) -> str:
        """An id from a table whose name has to do with the parameter's, where there is one."""
        word = re.split("s?_?ids?$", name)[0]
        ids = self.stored.ids
        near = [table for table in ids if word in table]
        return self.chance.choice(ids[self.chance.choice(near or list(ids))])

    def filter(self) -> Json:
        value = self.chance.choice([self.id(""), "1", 1, 0.5, "a", T0.isoformat()])
        key = self.chance.choice(["", "a", "reward"])
        return {"field": self.chance.choice(FIELDS), "operator": self.chance.choice(WORDS), "key": key, "value": value}

    def spoil(self, request: Json) -> None:
        """Put one hostile value into a request, or many filters."""
        places = [place for part in request.values() for place in _places(part)]
        if not places:
            return
        held, key = self.chance.choice(places)
        if key == "filters":
            asked = [self.filter() for _ in range(self.chance.choice([1, 120]))]
            self.chance.choice(asked)[self.chance.choice(["key", "value"])] = self.chance.choice(HOSTILE)
            held[key] = json.dumps(asked) if isinstance(held[key], str) else asked
        else:
            held[key] = self.chance.choice(HOSTILE)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a request, as what holds it and its name or number there."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _shown(value: Any) -> str:
    """A value as it stands in an address, where no surrogate can."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:15_000].encode(errors="replace").decode()


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_the_schema_does_not_name(served: Served, tmp_path: Path) -> None:
    """All of its phases: boundaries of every parameter, valid and broken bodies, calls that follow one another."""
    served.fill()
    (tmp_path / "schemathesis.toml").write_text(
        f"""
        [checks.not_a_server_error]
        expected-statuses = ["2xx", "3xx", "4xx", "501"]  # a 501 has to be documented, as every status has
        [phases.coverage]
        unexpected-methods = []  # what is not in the schema is 501, and tested elsewhere
        [dictionaries]
        known.values = {json.dumps(sorted(chain(*served.column("id").values())))}
        [parameters]
        identifier = {{ dictionary = "known", probability = 0.7 }}
        [generation.dictionaries]
        string = {{ dictionary = "known", probability = 0.3 }}
        """,
        "utf-8",
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "run", f"{served.store.url}/openapi.json",
         "--request-timeout", "60", "--generation-deterministic",
         "--seed", "1", "--max-examples", "2", "--no-color", "--warnings", "off",
         "--checks", "not_a_server_error,status_code_conformance"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"(\d+) generated", done.stdout)
    assert tested is not None
    assert int(tested[1]) > 1000
