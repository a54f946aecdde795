-- Attachments. Their content is in chunks, so that neither a write nor a read holds a whole file in memory.
CREATE TABLE attachments (
  rowid INTEGER PRIMARY KEY,
  entity_type TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  file_name TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  file_size INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX attachments_key ON attachments (entity_type, entity_id, project_id, file_name);

CREATE TABLE attachment_chunks (
  rowid INTEGER PRIMARY KEY,
  attachment INTEGER NOT NULL,
  number INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE UNIQUE INDEX attachment_chunks_key ON attachment_chunks (attachment, number);
CREATE TRIGGER attachments_deleted AFTER DELETE ON attachments BEGIN
  DELETE FROM attachment_chunks WHERE attachment = old.rowid;
END;

-- Names of environments that a trace, a span or a prompt's version may be in.
CREATE TABLE environments (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  color TEXT,
  position INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);

CREATE TABLE prompts (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  project_id TEXT NOT NULL,
  description TEXT,
  template_structure TEXT NOT NULL,
  tags TEXT,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX prompts_name ON prompts (project_id, lower(name));

CREATE TABLE prompt_versions (
  id TEXT PRIMARY KEY NOT NULL,
  prompt_id TEXT NOT NULL,
  -- NULL for a mask, which is no version of the history.
  number INTEGER,
  commit_hash TEXT NOT NULL,
  template TEXT NOT NULL,
  metadata TEXT,
  type TEXT NOT NULL,
  version_type TEXT NOT NULL,
  change_description TEXT,
  tags TEXT,
  created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX prompt_versions_commit ON prompt_versions (prompt_id, commit_hash);
CREATE UNIQUE INDEX prompt_versions_number ON prompt_versions (prompt_id, number);

-- Which version of a prompt an environment points to.
CREATE TABLE prompt_environments (
  rowid INTEGER PRIMARY KEY,
  prompt_id TEXT NOT NULL,
  environment TEXT NOT NULL,
  version_id TEXT NOT NULL
);
CREATE UNIQUE INDEX prompt_environments_key ON prompt_environments (prompt_id, environment);
CREATE INDEX prompt_environments_version ON prompt_environments (version_id);

CREATE TABLE feedback_definitions (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  type TEXT NOT NULL,
  details TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);

CREATE TABLE annotation_queues (
  id TEXT PRIMARY KEY NOT NULL,
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  instructions TEXT,
  scope TEXT NOT NULL,
  comments_enabled INTEGER NOT NULL,
  feedback_definition_names TEXT,
  annotators_per_item INTEGER,
  lock_timeout_seconds INTEGER,
  created_at TEXT NOT NULL,
  last_updated_at TEXT NOT NULL
);

CREATE TABLE annotation_queue_items (
  rowid INTEGER PRIMARY KEY,
  queue_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX annotation_queue_items_key ON annotation_queue_items (queue_id, item_id);
CREATE INDEX annotation_queue_items_item ON annotation_queue_items (item_id);

-- A version's own tags, what it changed; what a test suite asks of an item.
ALTER TABLE dataset_versions ADD COLUMN tags TEXT;
ALTER TABLE dataset_versions ADD COLUMN change_description TEXT;
ALTER TABLE dataset_items ADD COLUMN evaluators TEXT;
ALTER TABLE dataset_items ADD COLUMN execution_policy TEXT;
CREATE INDEX traces_thread ON traces (project_id, thread_id) WHERE thread_id IS NOT NULL;
