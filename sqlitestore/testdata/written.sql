PRAGMA application_id = 1668049778;
PRAGMA user_version = 1;
CREATE TABLE records (
	term          INTEGER PRIMARY KEY AUTOINCREMENT, -- the version: term,
	seq           INTEGER NOT NULL,                  -- and seq, which counts the writes
	id            TEXT    NOT NULL UNIQUE,           -- 22 characters, base64url
	kind          TEXT    NOT NULL,                  -- session or ledger, '' for a grave
	app           TEXT    NOT NULL,
	principal     TEXT    NOT NULL,                  -- '' for none
	created       INTEGER NOT NULL,                  -- times are Unix milliseconds, NULL for none
	due           INTEGER NOT NULL,                  -- not over before; the sweep goes by it
	authenticated INTEGER,
	seen          INTEGER,
	expires       INTEGER,
	deadline      INTEGER,
	verifier      BLOB,
	previous      BLOB,                              -- verifier before a renewal
	previous_ends INTEGER,
	persistent    INTEGER NOT NULL,                  -- 0 or 1
	address       TEXT    NOT NULL,
	user_agent    TEXT    NOT NULL,
	writes        INTEGER NOT NULL,
	revs          TEXT    NOT NULL,                  -- newest first, with blanks between
	grave         TEXT,                              -- JSON; then the rest is empty
	data          TEXT    NOT NULL                   -- the values: a JSON object
, extra TEXT) STRICT;
CREATE INDEX records_due ON records (due);
CREATE INDEX records_ended ON records (coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.at') END, -62135596800000), id, coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.app') END, ''), coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.reason') END, ''), coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.principal') END, '')) WHERE grave IS NOT NULL;
CREATE INDEX records_ended_principal ON records (coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.principal') END, ''), coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.at') END, -62135596800000), id, coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.app') END, ''), coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.reason') END, '')) WHERE grave IS NOT NULL AND coalesce(CASE WHEN json_valid(grave) THEN json_extract(grave, '$.principal') END, '') <> '';
CREATE INDEX records_order ON records (kind, created, id, app) WHERE kind <> '';
CREATE INDEX records_principal ON records (principal, kind, created, id, app)
	WHERE kind <> '' AND principal <> '';
INSERT INTO records VALUES (1, 1, 'AZgHlUgAAgECAwQFBgcIAQ', 'session', 'shop', '', 1750000000000, 9223372036854775807, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', '', 0, '', NULL, '{}', NULL);
INSERT INTO records VALUES (2, 1, 'AZgHlUgAAgECAwQFBgcIAg', 'session', 'shop', 'alice', 1750000000000, 1750086460000, 1750000000001, 1750000060000, 1750086460000, 1752592000000, X'0102FF', X'00', 1750000090000, 1, '203.0.113.7', 'Browser/1.0', 7, 'AQIDBAUGBwg _wAAAAAAAAA', NULL, '{"\u0000":"\ud800","n":1.10}', '{"\"é\"":null,"labels":{"a":"b"}}');
INSERT INTO records VALUES (3, 1, 'zOuUjapDBrtPFkFBuxnGLg', 'ledger', 'shop', 'alice', 1750000000000, 1752592120000, NULL, NULL, NULL, 1752592000000, NULL, NULL, NULL, 0, '', '', 1, 'AQAAAAAAAAA', NULL, '{"ledger":{"live":[]}}', '{"note":[1]}');
INSERT INTO records VALUES (4, 2, 'AZgHlUgAAgECAwQFBgcIAw', '', '', '', 1750000000000, 1752592120000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', '', 0, '', '{"reason":"replaced","at":1750000070000,"until":1752592000000,"successor":"AZgHlUgAAgECAwQFBgcIAg","app":"shop","principal":"alice","writes":8,"revs":["CQAAAAAAAAA","AQIDBAUGBwg","_wAAAAAAAAA"],"\"é\"":null,"labels":{"a":"b"}}', '{}', NULL);
INSERT INTO records VALUES (5, 1, 'AZgHlUgAAgECAwQFBgcIBA', '', '', '', 0, 1752592120000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', '', 0, '', '{"reason":"revoked","until":1752592000000,"writes":0,"revs":null}', '{}', NULL);
