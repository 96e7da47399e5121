/* Every statement of the journal, by name. A store prepares the ones it uses when it first needs them. */
#ifndef HUB_JOURNAL_SQL_H
#define HUB_JOURNAL_SQL_H

/* The columns that make a struct alert, in the order read_alert() takes them. */
#define SQL_ALERT "received, time, priority, change, incident, count, uuid, json"

/* clang-format off */
#define SQL_STATEMENTS(X) \
	X(BEGIN, "BEGIN IMMEDIATE") \
	X(BEGIN_READ, "BEGIN") \
	X(COMMIT, "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(PAGE_COUNT, "PRAGMA page_count") \
	X(FREELIST_COUNT, "PRAGMA freelist_count") \
	X(META_GET, "SELECT value FROM meta WHERE name = ?") \
	X(META_SET, "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2") \
	X(ALERT_ADD, "INSERT INTO alert (seq, received, time, priority, change, incident, count," \
	             " identity, uuid, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
	X(ALERT_FIRST, "SELECT min(seq) FROM alert") \
	X(ALERT_LAST, "SELECT max(seq) FROM alert") \
	X(ALERT_COUNT, "SELECT count(*) FROM alert WHERE seq > ?") \
	X(ALERT_RECEIVED, "SELECT received FROM alert WHERE seq = ?") \
	X(ALERT_DELETE, "DELETE FROM alert WHERE seq <= ?") \
	X(ALERT_READ, "SELECT seq, " SQL_ALERT " FROM alert WHERE seq > ? ORDER BY seq LIMIT ?") \
	X(ALERT_SEARCH, "SELECT seq, " SQL_ALERT " FROM alert WHERE seq > ?1 AND seq < ?2" \
	                " ORDER BY seq DESC LIMIT ?3") \
	X(ALERT_GET, "SELECT seq, " SQL_ALERT " FROM alert WHERE seq = ?") \
	X(ALERT_IDENTITY, "SELECT identity, received FROM alert WHERE seq >= ?1 AND received >= ?2" \
	                  " AND change <= 1 ORDER BY seq LIMIT ?3") \
	X(INDEX_ADD, "INSERT INTO alert_index (first, ids) VALUES (?, ?)") \
	X(INDEX_READ, "SELECT first, ids FROM alert_index ORDER BY first DESC") \
	X(INDEX_DELETE, "DELETE FROM alert_index WHERE first <= ?1 AND first <" \
	                " (SELECT max(first) FROM alert_index WHERE first <= ?1)") \
	X(OUTPUT_GET, "SELECT id, name, start, cursor, at, ahead, totals, folded_to, folded, expired" \
	              " FROM output WHERE id = ?") \
	X(OUTPUT_FIND, "SELECT id FROM output WHERE name = ?") \
	X(OUTPUT_EACH, "SELECT id, name, start, cursor, at, ahead, totals, folded_to, folded, expired" \
	               " FROM output ORDER BY id") \
	X(OUTPUT_ADD, "INSERT INTO output (name, start, cursor, at, ahead, totals, folded_to, folded," \
	              " expired) VALUES (?1, ?2, ?2, ?3, x'', ?4, ?2, ?4, 0)") \
	X(OUTPUT_SET, "UPDATE output SET start = ?2, cursor = ?3, at = ?4, ahead = ?5, totals = ?6," \
	              " folded_to = ?7, folded = ?8, expired = ?9 WHERE id = ?1") \
	X(DELIVERY_ADD, "INSERT INTO delivery (place, at, outcomes) VALUES (?, ?, ?)") \
	X(DELIVERY_SET, "UPDATE delivery SET outcomes = ?2 WHERE place = ?1") \
	X(DELIVERY_AT, "SELECT place, at, outcomes FROM delivery WHERE place <= ?1 AND place > ?2" \
	               " ORDER BY place DESC LIMIT 1") \
	X(DELIVERY_EACH, "SELECT place, at, outcomes FROM delivery WHERE place > ?1 AND place < ?2" \
	                 " ORDER BY place LIMIT ?3") \
	X(DELIVERY_DELETE, "DELETE FROM delivery WHERE place > ?1 AND place <= ?2") \
	X(DEAD_ADD, "INSERT INTO dead (output, seq, at, attempts, note, replay, " SQL_ALERT ")" \
	            " SELECT ?1, ?2, ?3, ?4, ?5, 0, " SQL_ALERT " FROM alert WHERE seq = ?2" \
	            " ON CONFLICT (output, seq) DO UPDATE SET at = excluded.at," \
	            " attempts = excluded.attempts, note = excluded.note, replay = 0") \
	X(DEAD_GET, "SELECT output, seq, replay FROM dead WHERE id = ?") \
	X(DEAD_OF, "SELECT at, attempts, note, replay FROM dead WHERE output = ? AND seq = ?") \
	X(DEAD_COUNT, "SELECT count(*), coalesce(sum(replay), 0) FROM dead WHERE output = ?") \
	X(DEAD_SEQS, "SELECT seq FROM dead WHERE output = ? ORDER BY seq") \
	X(DEAD_OLDEST, "SELECT id, output, at FROM dead WHERE replay = 0 ORDER BY id LIMIT ?") \
	X(DEAD_DELETE, "DELETE FROM dead WHERE id = ?") \
	X(DEAD_AGAIN, "UPDATE dead SET replay = 0, at = ?2, attempts = attempts + ?3, note = ?4" \
	              " WHERE id = ?1") \
	X(DEAD_NEXT, "SELECT id FROM dead WHERE id > ?1 AND (?2 = 0 OR id = ?2) AND replay = 0" \
	             " ORDER BY id LIMIT ?3") \
	X(DEAD_NEXT_OF, "SELECT id FROM dead WHERE id > ?1 AND (?2 = 0 OR id = ?2) AND replay = 0" \
	                " AND output = ?4 ORDER BY id LIMIT ?3") \
	X(DEAD_REPLAY, "UPDATE dead SET replay = 1 WHERE id = ?") \
	X(DEAD_REPLAYED, "SELECT dead.seq, " SQL_ALERT ", dead.id FROM dead INDEXED BY dead_replay" \
	                 " WHERE output = ?1 AND replay = 1" \
	                 " AND seq <= (SELECT cursor FROM output WHERE output.id = ?1)" \
	                 " ORDER BY seq LIMIT ?2") \
	X(DEAD_LIST, "SELECT dead.id, output.name, dead.seq, dead.at, attempts, note, json FROM dead" \
	             " JOIN output ON output.id = dead.output WHERE dead.id > ?1 ORDER BY dead.id LIMIT ?2") \
	X(DEAD_LIST_OF, "SELECT dead.id, output.name, dead.seq, dead.at, attempts, note, json FROM dead" \
	                " JOIN output ON output.id = dead.output WHERE dead.id > ?1 AND dead.output = ?3" \
	                " ORDER BY dead.id LIMIT ?2") \
	X(INCIDENT_SET, "INSERT OR REPLACE INTO incident (id, key, first, last, count, announced," \
	                " announced_at, open, rule, priority) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
	X(INCIDENT_OPEN, "SELECT id, key, first, last, count, announced, announced_at, rule, priority" \
	                 " FROM incident WHERE open = 1 ORDER BY id") \
	X(INCIDENT_HIGHEST, "SELECT max(id) FROM incident") \
	X(INCIDENT_NEXT, "SELECT id, open, last FROM incident WHERE id > ? ORDER BY id LIMIT ?") \
	X(INCIDENT_DELETE, "DELETE FROM incident WHERE id = ?") \
	X(SENSOR_SET, "INSERT INTO sensor (id, boot, seq, seen, gaps, hostname, status)" \
	              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET boot = ?2," \
	              " seq = ?3, seen = ?4, gaps = ?5, hostname = ?6," \
	              " status = CASE WHEN length(?7) > 0 THEN ?7 ELSE status END") \
	X(SENSOR_EACH, "SELECT id, boot, seq, seen, gaps, hostname, status FROM sensor ORDER BY id") \
	X(WATCH_SET, "INSERT OR REPLACE INTO watch (id, name, version, by_key, of_key, touched, state)" \
	             " VALUES (?, ?, ?, ?, ?, ?, ?)") \
	X(WATCH_DELETE, "DELETE FROM watch WHERE id = ?") \
	X(WATCH_EACH, "SELECT id, name, version, by_key, of_key, touched, state FROM watch ORDER BY touched") \
	X(SENSOR_TRIM, "DELETE FROM sensor WHERE id IN" \
	               " (SELECT id FROM sensor ORDER BY seen DESC LIMIT -1 OFFSET ?)")
/* clang-format on */

enum sql {
#define X(name, text) SQL_##name,
	SQL_STATEMENTS(X)
#undef X
	SQL_COUNT,
};

#endif
