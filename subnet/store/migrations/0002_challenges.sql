-- A validator's challenges with every answer.

CREATE TABLE validators (
	id SERIAL PRIMARY KEY,
	netuid BIGINT NOT NULL,
	hotkey BLOB NOT NULL,
	UNIQUE (netuid, hotkey)
);

-- An answer names its hotkey by number: of 32 bytes a million times.
CREATE TABLE hotkeys (
	id SERIAL PRIMARY KEY,
	hotkey BLOB NOT NULL UNIQUE
);

CREATE TABLE challenges (
	id SERIAL PRIMARY KEY,
	validator BIGINT NOT NULL REFERENCES validators (id),
	seq BIGINT NOT NULL,
	time BIGINT NOT NULL,
	block BIGINT NOT NULL,
	challenge_id TEXT NOT NULL,
	label BIGINT NOT NULL,
	source TEXT NOT NULL,
	origin TEXT NOT NULL,
	transforms TEXT NOT NULL,
	UNIQUE (validator, seq)
);
CREATE INDEX challenges_time ON challenges (validator, time);
CREATE INDEX challenges_source ON challenges (validator, source, seq);
CREATE INDEX challenges_name ON challenges (challenge_id);

-- The answers of a challenge lie side by side, found by its number and a uid. An
-- index by uid first would touch a page for each answer: some 200 kB to write for a
-- challenge, in place of 10.
CREATE TABLE answers (
	challenge BIGINT NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
	uid BIGINT NOT NULL,
	hotkey BIGINT NOT NULL REFERENCES hotkeys (id),
	prediction DOUBLE PRECISION NOT NULL,
	status BIGINT NOT NULL,
	latency_ms DOUBLE PRECISION NOT NULL,
	reward DOUBLE PRECISION NOT NULL,
	error TEXT NOT NULL,
	PRIMARY KEY (challenge, uid)
) WITHOUT ROWID;
