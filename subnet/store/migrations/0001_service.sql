-- What the service keeps. Times are microseconds since 1970 in UTC, 0 for never.

CREATE TABLE detections (
	id TEXT PRIMARY KEY,
	created_at BIGINT NOT NULL,
	external_id TEXT NOT NULL,
	key_id TEXT NOT NULL,
	status TEXT NOT NULL,
	verdict TEXT NOT NULL,
	score DOUBLE PRECISION,
	model TEXT NOT NULL,
	media_sha256 TEXT NOT NULL,
	retained BOOLEAN NOT NULL,
	document TEXT
);
CREATE INDEX detections_time ON detections (created_at, id);
CREATE INDEX detections_key ON detections (key_id, created_at, id);
CREATE INDEX detections_external ON detections (external_id, created_at) WHERE external_id <> '';

-- Apart from the detections, so that a list never reads a picture.
CREATE TABLE detection_files (
	detection_id TEXT NOT NULL REFERENCES detections (id) ON DELETE CASCADE,
	kind TEXT NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (detection_id, kind)
);

CREATE TABLE feedback (
	detection_id TEXT NOT NULL REFERENCES detections (id) ON DELETE CASCADE,
	key_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	comment TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (detection_id, key_id)
);

CREATE TABLE shares (
	token TEXT PRIMARY KEY,
	detection_id TEXT NOT NULL REFERENCES detections (id) ON DELETE CASCADE,
	created_at BIGINT NOT NULL
);
CREATE INDEX shares_detection ON shares (detection_id);

CREATE TABLE api_keys (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	scopes TEXT NOT NULL,
	hash BLOB NOT NULL,
	old_hash BLOB,
	old_until BIGINT NOT NULL,
	per_minute BIGINT NOT NULL,
	per_day BIGINT NOT NULL,
	per_month BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	used_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	rotated_at BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL
);

-- How much of a limit is used: one row for each period that has one.
CREATE TABLE spending (
	key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
	period TEXT NOT NULL,
	start BIGINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (key_id, period, start)
);

CREATE TABLE daily_counts (
	scope TEXT NOT NULL,
	subject TEXT NOT NULL,
	day BIGINT NOT NULL,
	success BIGINT NOT NULL,
	failure BIGINT NOT NULL,
	PRIMARY KEY (scope, subject, day)
);

CREATE TABLE idempotency (
	key_id TEXT NOT NULL,
	name TEXT NOT NULL,
	hash BLOB NOT NULL,
	token TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	locked_until BIGINT NOT NULL,
	status BIGINT NOT NULL,
	content_type TEXT NOT NULL,
	body BLOB,
	PRIMARY KEY (key_id, name)
);
CREATE INDEX idempotency_time ON idempotency (created_at);

CREATE TABLE jobs (
	id SERIAL PRIMARY KEY,
	detection_id TEXT NOT NULL REFERENCES detections (id) ON DELETE CASCADE,
	options TEXT NOT NULL,
	webhook_url TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	ready_at BIGINT NOT NULL,
	attempts BIGINT NOT NULL,
	last_error TEXT NOT NULL
);
CREATE INDEX jobs_ready ON jobs (ready_at, id);

CREATE TABLE deliveries (
	id SERIAL PRIMARY KEY,
	event_id TEXT NOT NULL,
	detection_id TEXT NOT NULL REFERENCES detections (id) ON DELETE CASCADE,
	url TEXT NOT NULL,
	body TEXT NOT NULL,
	state TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	next_at BIGINT NOT NULL,
	attempts BIGINT NOT NULL,
	last_status BIGINT NOT NULL,
	last_error TEXT NOT NULL
);
CREATE INDEX deliveries_ready ON deliveries (state, next_at, id);
CREATE INDEX deliveries_detection ON deliveries (detection_id);
