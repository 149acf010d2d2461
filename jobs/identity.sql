-- Identity, section 6 of docs/design.md: which identifiers are one person. One view for each rule.
--
-- An identifier is one text here: the first letter of its type, then its id (ac1 is anonymous_id c1). That is short in
-- state and sorts like (type, id). Moments are epoch milliseconds.

-- Each event links its strongest identifier, its subject, with each of the others. A login and an identifier that comes
-- alone are paired with themselves: they are known even if nothing is linked to them.
CREATE TEMPORARY VIEW sightings AS
SELECT
  CASE WHEN subject < other THEN subject ELSE other END AS a,
  CASE WHEN subject < other THEN other ELSE subject END AS b,
  CASE WHEN subject <> other THEN event_ms END AS linked_ms,
  CASE WHEN subject = other THEN event_ms END AS known_ms,
  CAST(NULL AS BIGINT) AS link_command_ms,
  CAST(NULL AS BIGINT) AS unlink_command_ms
FROM (
  SELECT
    event_ms, user_id, email, phone, device_id, anonymous_id, previous_id,
    COALESCE(${strongest_first}) AS subject,
    COALESCE(${weakest_first}) AS weakest
  FROM events
) CROSS JOIN UNNEST(ARRAY[
  'u' || user_id, 'e' || email, 'p' || phone, 'd' || device_id, 'a' || anonymous_id, 'a' || previous_id
]) AS present (other)
WHERE other <> subject OR other = weakest OR other = 'u' || user_id;

-- A command concerns one or two identifiers.
CREATE TEMPORARY VIEW orders AS
SELECT
  command_ms, op,
  LEFT(a_type, 1) || a_id AS a,
  LEFT(b_type, 1) || b_id AS b
FROM commands;

-- A link command makes a link as an event does, and its identifiers are known.
CREATE TEMPORARY VIEW command_sightings AS
SELECT
  CASE WHEN x < y THEN x ELSE y END AS a,
  CASE WHEN x < y THEN y ELSE x END AS b,
  CASE WHEN op = 'link' AND x <> y THEN command_ms END AS linked_ms,
  CASE WHEN op = 'link' AND x = y THEN command_ms END AS known_ms,
  CASE WHEN op = 'link' AND x <> y THEN command_ms END AS link_command_ms,
  CASE WHEN op = 'unlink' THEN command_ms END AS unlink_command_ms
FROM orders CROSS JOIN UNNEST(ARRAY[ROW(a, b), ROW(a, a), ROW(b, b)]) AS pairs (x, y)
WHERE op IN ('link', 'unlink') AND a <> b;

-- Step 1, commands: a pair is first seen at its earliest event or link command. An unlink suspends it until a later
-- link; at equal times the unlink wins.
CREATE TEMPORARY VIEW pairs AS
SELECT
  a, b,
  MIN(linked_ms) AS first_seen,
  MIN(known_ms) AS known_ms,
  COALESCE(MAX(unlink_command_ms) >= COALESCE(MAX(link_command_ms), MAX(unlink_command_ms)), FALSE) AS suspended
FROM (SELECT * FROM sightings UNION ALL SELECT * FROM command_sightings)
GROUP BY a, b;

CREATE TEMPORARY VIEW links AS
SELECT a, b, first_seen
FROM pairs
WHERE first_seen IS NOT NULL AND NOT suspended;

-- The few identifiers about which there is anything to decide: linked to several logins, a login linked to a login, more
-- links than a login or a contact may keep ...
CREATE TEMPORARY VIEW contested AS
SELECT node
FROM links CROSS JOIN UNNEST(ARRAY[
  ROW(a, b >= 'u', b >= 'u' OR a >= 'e'),
  ROW(b, a >= 'u', b >= 'e')
]) AS ends (node, to_login, counts)
WHERE counts
GROUP BY node
HAVING COUNT(*) FILTER (WHERE to_login) > CASE WHEN node >= 'u' THEN 0 ELSE 1 END
  OR node >= 'e' AND COUNT(*) > CASE WHEN node >= 'u' THEN ${user_links} ELSE ${contact_links} END;

-- ... or erased. Links between all others need no further look.
CREATE TEMPORARY VIEW uncommon AS
SELECT node, COUNT(*) FILTER (WHERE erased) > 0 AS erased
FROM (
  SELECT node, FALSE AS erased FROM contested
  UNION ALL
  SELECT a, TRUE FROM orders WHERE op = 'erase'
)
GROUP BY node;

CREATE TEMPORARY VIEW screened AS
SELECT
  links.a, links.b, links.first_seen,
  of_a.node IS NULL AND of_b.node IS NULL AS plain,
  COALESCE(of_a.erased, FALSE) OR COALESCE(of_b.erased, FALSE) AS erased
FROM links
LEFT JOIN uncommon AS of_a ON links.a = of_a.node
LEFT JOIN uncommon AS of_b ON links.b = of_b.node;

-- What is left to sharing: an erased identifier has no links.
CREATE TEMPORARY VIEW doubtful AS
SELECT a, b, first_seen
FROM screened
WHERE NOT plain AND NOT erased;

-- Step 2, sharing: the devices and anonymous ids with several logins ...
CREATE TEMPORARY VIEW shared AS
SELECT a AS node
FROM doubtful
WHERE a < 'e' AND b >= 'u'
GROUP BY a
HAVING COUNT(*) > 1;

-- ... and the first login of a contact by (first_seen, id). (Not as MIN: see erased_labels.)
CREATE TEMPORARY VIEW owners AS
SELECT node, login
FROM (
  SELECT a AS node, b AS login, ROW_NUMBER() OVER (PARTITION BY a ORDER BY first_seen, b) AS place
  FROM doubtful
  WHERE a >= 'e' AND a < 'u' AND b >= 'u'
)
WHERE place = 1;

-- A contact keeps its first login only, a device or anonymous id with several logins keeps nothing.
CREATE TEMPORARY VIEW after_sharing AS
SELECT
  links.a, links.b, links.first_seen,
  CASE
    WHEN shared_a.node IS NOT NULL OR shared_b.node IS NOT NULL THEN 'shared'
    WHEN links.b >= 'u' AND links.b <> owners.login THEN 'claimed'
  END AS reason
FROM doubtful AS links
LEFT JOIN shared AS shared_a ON links.a = shared_a.node
LEFT JOIN shared AS shared_b ON links.b = shared_b.node
LEFT JOIN owners ON links.a = owners.node;

-- Step 3, limits: a login and a contact keep their least links by (first_seen, type, id) of the other end.
CREATE TEMPORARY VIEW limited_ends AS
SELECT node, other, first_seen
FROM after_sharing CROSS JOIN UNNEST(ARRAY[ROW(a, b), ROW(b, a)]) AS ends (node, other)
WHERE reason IS NULL AND node >= 'e';

CREATE TEMPORARY VIEW kept AS
SELECT node, other
FROM (
  SELECT node, other, ROW_NUMBER() OVER (PARTITION BY node ORDER BY first_seen, other) AS place
  FROM limited_ends WHERE node >= 'u'
)
WHERE place <= ${user_links}
UNION ALL
SELECT node, other
FROM (
  SELECT node, other, ROW_NUMBER() OVER (PARTITION BY node ORDER BY first_seen, other) AS place
  FROM limited_ends WHERE node < 'u'
)
WHERE place <= ${contact_links};

-- A link stays only if all its ends that have a limit keep it.
CREATE TEMPORARY VIEW judged AS
SELECT
  a, b,
  MAX(first_seen) AS first_seen,
  COALESCE(MAX(reason), CASE WHEN SUM(missing) > 0 THEN 'limit' END) AS reason
FROM (
  SELECT
    a, b, first_seen, reason,
    CASE WHEN a >= 'e' THEN 1 ELSE 0 END + CASE WHEN b >= 'e' THEN 1 ELSE 0 END AS missing
  FROM after_sharing
  UNION ALL
  SELECT CASE WHEN node < other THEN node ELSE other END, CASE WHEN node < other THEN other ELSE node END,
    CAST(NULL AS BIGINT), CAST(NULL AS STRING), -1
  FROM kept
)
GROUP BY a, b
HAVING MAX(first_seen) IS NOT NULL;

CREATE TEMPORARY VIEW refused_pairs AS
SELECT a, b, reason FROM judged WHERE reason IS NOT NULL;

CREATE TEMPORARY VIEW rare_links AS
SELECT a, b, first_seen FROM judged WHERE reason IS NULL;

-- Accepted links.
CREATE TEMPORARY VIEW accepted AS
SELECT a, b, first_seen FROM screened WHERE plain
UNION ALL
SELECT a, b, first_seen FROM rare_links;

-- Logins joined by accepted links between them, which only commands make: the least login within one link ...
CREATE TEMPORARY VIEW login_links AS
SELECT node, other
FROM rare_links CROSS JOIN UNNEST(ARRAY[ROW(a, b), ROW(b, a), ROW(a, a), ROW(b, b)]) AS ends (node, other)
WHERE a >= 'u';

CREATE TEMPORARY VIEW joined_1 AS
SELECT node, least
FROM (
  SELECT node, other AS least, ROW_NUMBER() OVER (PARTITION BY node ORDER BY other) AS place
  FROM login_links
)
WHERE place = 1;

${login_rounds}

-- Accepted links to a login, and whom that login is.
CREATE TEMPORARY VIEW owned AS
SELECT a AS node, first_seen, b AS login FROM screened WHERE plain AND b >= 'u'
UNION ALL
SELECT a, first_seen, COALESCE(least, b)
FROM rare_links LEFT JOIN joined_${hops} ON b = node
WHERE b >= 'u' AND a < 'u';

-- Erasing outranks every label.
--
-- Here stands a trap. Flink's planner cuts a job where views fork, takes a view beyond such a cut for append-only
-- unless it knows how the columns change, and then uses a MIN or MAX that ignores what is taken back. A branch with a
-- column that may change either way keeps it from that; so these rows are in every round. A test looks at the plan.
CREATE TEMPORARY VIEW erased_labels AS
SELECT a AS node, CASE WHEN COUNT(*) > 0 THEN '' END AS label
FROM orders
WHERE op = 'erase'
GROUP BY a;

-- A label is one text, a digit tier, a digit hops, 15 digits time, and the anchor: it sorts like (tier, hops, time, type, id).
-- Login round: what is linked to a login belongs to it, everything else is its own anchor since its earliest link.
CREATE TEMPORARY VIEW candidates_0 AS
SELECT node, '01' || LPAD(CAST(first_seen AS STRING), 15, '0') || login AS label FROM owned
UNION ALL
SELECT node, CASE WHEN node >= 'e' THEN '10' ELSE '20' END || LPAD(CAST(first_seen AS STRING), 15, '0') || node
FROM accepted CROSS JOIN UNNEST(ARRAY[a, b]) AS ends (node)
WHERE b < 'u'
UNION ALL
SELECT node, label FROM erased_labels;

-- Soft links, from either end.
CREATE TEMPORARY VIEW soft_links AS
SELECT node, neighbour
FROM accepted CROSS JOIN UNNEST(ARRAY[ROW(a, b), ROW(b, a)]) AS ends (node, neighbour)
WHERE b < 'u';

${soft_rounds}

-- What is known apart from accepted links: logins are their own or joined, the rest is its own until linked.
CREATE TEMPORARY VIEW known AS
SELECT a AS node, CASE WHEN a >= 'u' THEN '00000000000000000' ELSE '30000000000000000' END || a AS label
FROM pairs WHERE known_ms IS NOT NULL
UNION ALL
SELECT node, '00000000000000000' || least FROM joined_${hops}
UNION ALL
SELECT node, '30000000000000000' || node
FROM (
  SELECT a, b FROM pairs WHERE first_seen IS NOT NULL AND suspended
  UNION ALL SELECT a, b FROM screened WHERE erased
  UNION ALL SELECT a, b FROM refused_pairs
) CROSS JOIN UNNEST(ARRAY[a, b]) AS ends (node);

CREATE TEMPORARY VIEW labels AS
SELECT
  CASE LEFT(node, 1) WHEN 'a' THEN 'anonymous_id' WHEN 'd' THEN 'device_id' WHEN 'e' THEN 'email'
    WHEN 'p' THEN 'phone' WHEN 'u' THEN 'user_id' END AS type,
  SUBSTRING(node FROM 2) AS id,
  label
FROM (SELECT * FROM candidates_${last_round} UNION ALL SELECT * FROM known);

-- Which profile every identifier belongs to that was seen and not erased: that of its least label's anchor.
CREATE TEMPORARY VIEW stitched AS
SELECT
  type, id,
  'p' || SUBSTRING(SHA256(CASE LEFT(anchor, 1) WHEN 'a' THEN 'anonymous_id' WHEN 'd' THEN 'device_id' WHEN 'e' THEN 'email'
    WHEN 'p' THEN 'phone' WHEN 'u' THEN 'user_id' END || ':' || SUBSTRING(anchor FROM 2)) FROM 1 FOR 20) AS profile_id
FROM (SELECT type, id, SUBSTRING(MIN(label) FROM 18) AS anchor FROM labels GROUP BY type, id)
WHERE anchor <> '';

CREATE TEMPORARY VIEW refused_links AS
SELECT
  CASE LEFT(a, 1) WHEN 'a' THEN 'anonymous_id' WHEN 'd' THEN 'device_id' WHEN 'e' THEN 'email'
    WHEN 'p' THEN 'phone' WHEN 'u' THEN 'user_id' END AS a_type, SUBSTRING(a FROM 2) AS a_id,
  CASE LEFT(b, 1) WHEN 'a' THEN 'anonymous_id' WHEN 'd' THEN 'device_id' WHEN 'e' THEN 'email'
    WHEN 'p' THEN 'phone' WHEN 'u' THEN 'user_id' END AS b_type, SUBSTRING(b FROM 2) AS b_id,
  reason
FROM refused_pairs;
