-- The tables of ledger version 1.
CREATE TABLE event (
    sequence  INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,  -- capture time, microseconds UTC
    recorded  INTEGER NOT NULL,  -- when it was made here, microseconds UTC
    camera    TEXT NOT NULL,
    type      TEXT NOT NULL,     -- short form: gate.crossing
    id        TEXT NOT NULL,
    payload   BLOB NOT NULL,     -- the published bytes
    checksum  INTEGER NOT NULL,  -- of the payload
    delivered INTEGER            -- when the broker acknowledged it, microseconds UTC
) STRICT;
CREATE INDEX unsent ON event (sequence) WHERE delivered IS NULL;
CREATE INDEX by_time ON event (at);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('sequence', 0), ('lost', 0);
PRAGMA user_version = 1;

