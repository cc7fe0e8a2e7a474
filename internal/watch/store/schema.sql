-- Times are microseconds since the epoch of Unix time.

-- What was measured, each with its evidence.
CREATE TABLE runs (
	id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: changes and links name runs that are gone
	check_name TEXT    NOT NULL,
	started    INTEGER NOT NULL,
	ended      INTEGER NOT NULL,
	retest     INTEGER NOT NULL, -- 1: a re-test, 0: as scheduled
	verdict    TEXT    NOT NULL, -- verdict.outcome of the document
	summary    TEXT    NOT NULL, -- verdict.summary of the document
	lookup     TEXT    NOT NULL, -- why the name could not be resolved; '': it could
	trouble    INTEGER NOT NULL, -- 1: our own network was in trouble, 0: not to all that was known
	document   BLOB    NOT NULL  -- the JSON (report/schema.json), compressed with gzip
);
CREATE INDEX runs_by_check ON runs (check_name, id);
CREATE INDEX runs_by_start ON runs (check_name, started);
CREATE INDEX runs_by_end ON runs (ended);

-- What was sure to have changed. Kept when the runs go.
CREATE TABLE changes (
	id         INTEGER PRIMARY KEY,
	check_name TEXT    NOT NULL,
	question   TEXT    NOT NULL, -- in words, as in the JSON
	at         INTEGER NOT NULL, -- when it was sure
	run        INTEGER NOT NULL, -- runs.id of the one that made it sure
	change     TEXT    NOT NULL  -- as JSON
);
CREATE INDEX changes_by_time ON changes (check_name, at);
CREATE INDEX changes_by_question ON changes (check_name, question, at);

-- What the runs were like that began within an hour (UTC): the sum of them, as
-- JSON (period.Tally). Kept when the runs go.
CREATE TABLE rollups (
	id         INTEGER PRIMARY KEY,
	check_name TEXT    NOT NULL,
	hour       INTEGER NOT NULL, -- when it began
	tally      TEXT    NOT NULL
);
CREATE UNIQUE INDEX rollups_by_check ON rollups (check_name, hour);
CREATE INDEX rollups_by_hour ON rollups (hour);

-- From when to when there was something to know, without a pause. Kept when the
-- runs go: it tells a pause of watch from a time in which nothing changed.
CREATE TABLE coverage (
	id         INTEGER PRIMARY KEY,
	check_name TEXT    NOT NULL,
	kind       TEXT    NOT NULL, -- ran: the check was run; trouble: our own network was in trouble; told: a question was answered
	question   TEXT    NOT NULL, -- in words; '' unless kind is told
	begun      INTEGER NOT NULL, -- when its first run ended
	ended      INTEGER NOT NULL, -- when its last run ended
	patience   INTEGER NOT NULL  -- for how long that one stands if no other follows
);
CREATE INDEX coverage_by_check ON coverage (check_name, kind, question);

-- What is known of each check, as JSON.
CREATE TABLE states (
	check_name TEXT PRIMARY KEY,
	state      TEXT NOT NULL
) WITHOUT ROWID;

-- What each receiver of alerts was told of each question, as JSON
-- (alert.State).
CREATE TABLE told (
	receiver   TEXT NOT NULL, -- alert.Receiver.ID
	check_name TEXT NOT NULL, -- '': our own network
	question   TEXT NOT NULL, -- in words
	state      TEXT NOT NULL,
	PRIMARY KEY (receiver, check_name, question)
) WITHOUT ROWID;

-- What is to be sent to receivers of alerts, or was, in the order in which it
-- was decided.
CREATE TABLE outbox (
	id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: one may be under way that is deleted
	receiver   TEXT    NOT NULL,
	check_name TEXT    NOT NULL,
	question   TEXT    NOT NULL,
	run        INTEGER NOT NULL, -- runs.id of the one that gave rise to it; 0: none did
	event      TEXT    NOT NULL, -- as JSON (alert.Event, without the run)
	created    INTEGER NOT NULL,
	due        INTEGER NOT NULL, -- when it is to be sent
	attempts   INTEGER NOT NULL, -- that failed
	repeat     INTEGER NOT NULL, -- 1: it is sent again and again, until a later one on the question is there at the latest
	delivered  INTEGER,          -- when it was, the first time; NULL: it was not
	done       INTEGER           -- when it came to be of no more concern; NULL: it still is
);
CREATE INDEX outbox_open ON outbox (receiver, check_name, question, id) WHERE done IS NULL;
CREATE INDEX outbox_done ON outbox (done) WHERE done IS NOT NULL;
