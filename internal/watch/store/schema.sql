-- Times are microseconds since the epoch of Unix time.

-- What was measured, each with its evidence.
CREATE TABLE runs (
	id         INTEGER PRIMARY KEY,
	check_name TEXT    NOT NULL,
	started    INTEGER NOT NULL,
	ended      INTEGER NOT NULL,
	retest     INTEGER NOT NULL, -- 1: a re-test, 0: as scheduled
	verdict    TEXT    NOT NULL, -- verdict.outcome of the document
	summary    TEXT    NOT NULL, -- verdict.summary of the document
	lookup     TEXT    NOT NULL, -- why the name could not be resolved; '': it could
	document   BLOB    NOT NULL  -- the JSON (report/schema.json), compressed with gzip
);
CREATE INDEX runs_by_check ON runs (check_name, id);
CREATE INDEX runs_by_end ON runs (ended);

-- What was sure to have changed. Kept when the runs go.
CREATE TABLE changes (
	id         INTEGER PRIMARY KEY,
	check_name TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	run        INTEGER NOT NULL, -- runs.id of the one that made it sure
	change     TEXT    NOT NULL  -- as JSON
);
CREATE INDEX changes_by_check ON changes (check_name, id);

-- What is known of each check, as JSON.
CREATE TABLE states (
	check_name TEXT PRIMARY KEY,
	state      TEXT NOT NULL
) WITHOUT ROWID;
