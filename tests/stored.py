"""All that a store holds, by key and content: two stores are equal where they hold the same, whatever its ids are."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from adapter.embedded_opik import EmbeddedOpik
from adapter.opik_rows import KEY

type Dump = dict[str, dict[str, list[Any]]]
"""By kind and key, each row's content: a row that is stored twice is there twice."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_COMMIT = re.compile(r"\b[0-9a-f]{8}\b")
_SERVER = re.compile(r"http://127\.0\.0\.1:\d+")
_NOT_CONTENT = ("rowid", "id", "project_id", "created_at", "last_updated_at", "kilobench_job")
_OF_DASHBOARDS = ("id", "i", "lastModified")
"""Keys of a dashboard's configuration that are made anew each time."""


def dump(path: Path) -> Dump:
    """What stands in the file of an embedded store.

    Keys and names stand in place of ids, so a row that hangs on nothing shows as such.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return _Reader(connection).dump()


def wipe(server: EmbeddedOpik) -> None:
    """Empties a store that runs."""
    with server.app.state.store.write() as connection:
        for table in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f"DELETE FROM {table['name']}")


class _Reader:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, str] = {}
        self._commits: dict[str, str] = {}

    def _rows(self, table: str) -> list[dict[str, Any]]:
        rows = self._connection.execute(f"SELECT * FROM {table}").fetchall()
        return [{name: _value(row[name]) for name in row.keys()} for row in rows]  # noqa: SIM118 - a Row is no dict

    def dump(self) -> Dump:
        traces, spans = self._rows("traces"), self._rows("spans")
        experiments, datasets = self._rows("experiments"), self._rows("datasets")
        items = [row for row in self._rows("dataset_items") if row["valid_to"] is None]
        for row in (*traces, *spans, *experiments):
            self._keys[row["id"]] = row["metadata"][KEY]
        self._keys |= {row["id"]: f"dataset {row['name']}" for row in datasets}
        self._keys |= {row["id"]: f"task {row['data']['task']}" for row in items}
        self._keys |= {row["id"]: f"project {row['name']}" for row in self._rows("projects")}
        self._keys |= {row["id"]: f"dashboard {row['name']}" for row in self._rows("dashboards")}
        prompts, versions = self._rows("prompts"), self._rows("prompt_versions")
        self._keys |= {row["id"]: f"prompt {row['name']}" for row in prompts}
        for row in versions:
            self._keys[row["id"]] = self._commits[row["commit_hash"]] = f"version of {self._keys[row['prompt_id']]}"
        found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))

        def add(kind: str, key: str, content: Any) -> None:
            found[kind][key].append(content)

        for row in traces:
            add("trace", self._keys[row["id"]], _content(row))
        for row in spans:
            hangs_on = {name: self._name(row[name]) for name in ("trace_id", "parent_span_id")}
            add("span", self._keys[row["id"]], _content(row) | hangs_on)
        for row in self._rows("feedback_scores"):
            key = f"{row['entity_type']} {self._name(row['entity_id'])} {row['name']}"
            add("score", key, _content(row) | {"entity_id": None})
        for row in experiments:
            add("experiment", self._keys[row["id"]], self._named(_content(row)))
        for row in self._rows("experiment_items"):
            where = (self._name(row[name]) for name in ("experiment_id", "trace_id"))
            add("experiment item", " ".join(map(str, where)), self._name(row["dataset_item_id"]))
        for row in datasets:
            add("dataset", row["name"], row["type"])
        for row in items:
            add("dataset item", f"{self._name(row['dataset_id'])} {row['data']['task']}", row["data"])
        for row in self._rows("dashboards"):
            add("dashboard", row["name"], self._named(_content(row)))
        for row in prompts:
            add("prompt", row["name"], _content(row))
        for row in versions:
            key = self._keys[row["prompt_id"]]
            add("prompt version", key, _content(row) | {"prompt_id": key, "commit_hash": None})
        for row in self._rows("attachments"):
            where = f"{self._name(row['entity_id'])} {row['file_name']}"
            add("attachment", where, (row["mime_type"], row["file_size"], self._data(row["rowid"])))
        return {kind: {key: sorted(rows, key=repr) for key, rows in of.items()} for kind, of in found.items()}

    def _data(self, attachment: int) -> str:
        """A digest of an attachment's content."""
        chunks = self._connection.execute(
            "SELECT data FROM attachment_chunks WHERE attachment = ? ORDER BY number", (attachment,)
        )
        return hashlib.sha256(b"".join(data for (data,) in chunks)).hexdigest()

    def _name(self, row_id: str | None) -> str | None:
        """What is known of the row of an id; `gone` where there is none."""
        return self._keys.get(row_id, "gone") if row_id else None

    def _named(self, value: Any) -> Any:
        """A configuration with names in place of ids, in the order of names where they stand in a list."""
        if isinstance(value, dict):
            return {name: self._named(one) for name, one in value.items() if name not in _OF_DASHBOARDS}
        if isinstance(value, list):
            return [self._named(one) for one in value]
        if isinstance(value, str):
            value = UUID.sub(lambda found: self._keys.get(found[0], found[0]), _SERVER.sub("http://here", value))
            return _COMMIT.sub(lambda found: self._commits.get(found[0], found[0]), value)
        return value


def _value(value: Any) -> Any:
    """A column; JSON where it is."""
    return json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _content(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NOT_CONTENT}
