-- Times are UTC text (2026-01-31T12:00:00.000000Z), which sorts as time does. JSON columns hold valid JSON text.
CREATE TABLE projects (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  visibility TEXT NOT NULL DEFAULT 'private',
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX projects_name ON projects (lower(name));

CREATE TABLE traces (
  rowid INTEGER PRIMARY KEY,
  project_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT,
  start_time TEXT NOT NULL,
  end_time TEXT,
  duration REAL,
  input TEXT,
  output TEXT,
  metadata TEXT,
  tags TEXT,
  error_info TEXT,
  ttft REAL,
  thread_id TEXT,
  source TEXT,
  environment TEXT,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL,
  kilobench_job TEXT GENERATED ALWAYS AS (lower(json_extract(metadata, '$.kilobench_job'))) VIRTUAL
);
-- Opik's row identity of a trace.
CREATE UNIQUE INDEX traces_key ON traces (project_id, id);
CREATE INDEX traces_id ON traces (id);
CREATE INDEX traces_job ON traces (project_id, kilobench_job, id);

CREATE TABLE spans (
  rowid INTEGER PRIMARY KEY,
  project_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  parent_span_id TEXT NOT NULL DEFAULT '',
  id TEXT NOT NULL,
  name TEXT,
  type TEXT,
  start_time TEXT NOT NULL,
  end_time TEXT,
  duration REAL,
  input TEXT,
  output TEXT,
  metadata TEXT,
  model TEXT,
  provider TEXT,
  tags TEXT,
  usage TEXT,
  error_info TEXT,
  total_estimated_cost REAL,
  total_estimated_cost_version TEXT,
  ttft REAL,
  source TEXT,
  environment TEXT,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL,
  kilobench_job TEXT GENERATED ALWAYS AS (lower(json_extract(metadata, '$.kilobench_job'))) VIRTUAL
);
-- Opik's row identity of a span: the same id under another parent is another row. In this order it also serves
-- the search of one trace's spans by descending id.
CREATE UNIQUE INDEX spans_key ON spans (project_id, trace_id, id, parent_span_id);
CREATE INDEX spans_id ON spans (id);
CREATE INDEX spans_project ON spans (project_id, id);
CREATE INDEX spans_job ON spans (project_id, kilobench_job, id);

CREATE TABLE feedback_scores (
  rowid INTEGER PRIMARY KEY,
  entity_type TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  author TEXT NOT NULL,
  name TEXT NOT NULL,
  value REAL NOT NULL,
  category_name TEXT,
  reason TEXT,
  source TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX feedback_scores_key ON feedback_scores (entity_type, entity_id, project_id, author, name);

CREATE TABLE datasets (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  project_id TEXT,
  type TEXT NOT NULL DEFAULT 'dataset',
  visibility TEXT NOT NULL DEFAULT 'private',
  description TEXT,
  tags TEXT,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX datasets_name ON datasets (lower(name));

CREATE TABLE dataset_versions (
  id TEXT PRIMARY KEY NOT NULL,
  dataset_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  version_hash TEXT NOT NULL,
  batch_group_id TEXT,
  created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX dataset_versions_number ON dataset_versions (dataset_id, number);

-- A row is an item as it was in the versions valid_from <= v < valid_to (valid_to NULL: until now).
CREATE TABLE dataset_items (
  rowid INTEGER PRIMARY KEY,
  dataset_id TEXT NOT NULL,
  id TEXT NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER,
  source TEXT NOT NULL,
  data TEXT NOT NULL,
  description TEXT,
  tags TEXT,
  trace_id TEXT,
  span_id TEXT,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX dataset_items_key ON dataset_items (dataset_id, id, valid_from);
CREATE INDEX dataset_items_id ON dataset_items (id);

CREATE TABLE experiments (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  dataset_id TEXT NOT NULL,
  project_id TEXT,
  metadata TEXT,
  tags TEXT,
  type TEXT NOT NULL DEFAULT 'regular',
  evaluation_method TEXT NOT NULL DEFAULT 'dataset',
  status TEXT,
  experiment_scores TEXT,
  prompt_versions TEXT,
  dataset_version_id TEXT,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE INDEX experiments_name ON experiments (name);
CREATE INDEX experiments_dataset ON experiments (dataset_id);

CREATE TABLE experiment_items (
  rowid INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  experiment_id TEXT NOT NULL,
  dataset_item_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE INDEX experiment_items_experiment ON experiment_items (experiment_id, id);
CREATE INDEX experiment_items_trace ON experiment_items (trace_id);

CREATE TABLE dashboards (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  project_id TEXT,
  type TEXT,
  description TEXT,
  config TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
