-- Grouping sends on only what is news: most events, and the clock, change nobody's segments. A person is one row, so the
-- sum of a column is what stands there. (Not MAX: see erased_labels in identity.sql; and it would keep a map of values.)
INSERT INTO memberships
SELECT
  profile_id,
  ${names},
  identifiers, events, purchases, '${rules}'
FROM (
  SELECT
    profile_id, SUM(identifiers) AS identifiers, SUM(events) AS events, SUM(purchases) AS purchases,
${counts}
  FROM judged
  GROUP BY profile_id
);

INSERT INTO rfm
SELECT profile_id, recency, frequency, monetary, CURRENT_ROW_TIMESTAMP()
FROM (
  SELECT profile_id, SUM(recency) AS recency, SUM(frequency) AS frequency, SUM(monetary) AS monetary
  FROM judged
  WHERE recency IS NOT NULL
  GROUP BY profile_id
);

-- Memberships, read back as a log, each with the one before it about the same person. So nothing is lost or told twice
-- when the job starts anew, with other rules perhaps. A person who is gone, merged into another or erased, has none.
CREATE TEMPORARY VIEW judgements AS
SELECT
  profile_id, written_at, arrival, segments, identifiers, events, purchases, rules,
  LAG(segments) OVER (PARTITION BY profile_id ORDER BY arrival) AS segments_before,
  LAG(identifiers) OVER (PARTITION BY profile_id ORDER BY arrival) AS identifiers_before,
  LAG(events) OVER (PARTITION BY profile_id ORDER BY arrival) AS events_before,
  LAG(purchases) OVER (PARTITION BY profile_id ORDER BY arrival) AS purchases_before,
  LAG(rules) OVER (PARTITION BY profile_id ORDER BY arrival) AS rules_before
FROM (
  SELECT
    written_at, arrival,
    JSON_VALUE(key_text, '$$.profile_id') AS profile_id,
    COALESCE(JSON_VALUE(value_text, '$$.segments'), '') AS segments,
    COALESCE(JSON_VALUE(value_text, '$$.identifiers'), '') AS identifiers,
    COALESCE(JSON_VALUE(value_text, '$$.events'), '') AS events,
    COALESCE(JSON_VALUE(value_text, '$$.purchases'), '') AS purchases,
    COALESCE(JSON_VALUE(value_text, '$$.rules'), '') AS rules
  FROM (SELECT *, CAST(`key` AS STRING) AS key_text, CAST(`value` AS STRING) AS value_text FROM results)
);

-- What is in one of the two lists of names only: entered or left. Whoever is seen first came by an event; whose
-- identifiers are other than before, or who is gone or back, was merged or parted; else it was an event, new rules, or time.
CREATE TEMPORARY VIEW changes AS
SELECT
  profile_id, segment, written_at, arrival,
  CASE WHEN ARRAY_CONTAINS(SPLIT(segments, ' '), segment) THEN 'entered' ELSE 'left' END AS `change`,
  CASE
    WHEN identifiers_before IS NULL THEN 'event'
    WHEN identifiers <> identifiers_before THEN 'merge'
    WHEN events <> events_before OR purchases <> purchases_before THEN 'event'
    WHEN rules <> rules_before THEN 'rule'
    ELSE 'time'
  END AS because
FROM (SELECT *, COALESCE(segments_before, '') AS earlier FROM judgements) AS judgement
CROSS JOIN UNNEST(ARRAY_UNION(SPLIT(segments, ' '), SPLIT(earlier, ' '))) AS named (segment)
WHERE segment <> ''
  AND ARRAY_CONTAINS(SPLIT(segments, ' '), segment) <> ARRAY_CONTAINS(SPLIT(earlier, ' '), segment);

INSERT INTO segment_changes
SELECT profile_id, segment, `change`, written_at, because
FROM changes;

-- A person is in a segment if entering it is the last that happened.
INSERT INTO segments
SELECT segment, profile_id, written_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY segment, profile_id ORDER BY arrival DESC) AS nth
  FROM changes
)
WHERE nth = 1 AND `change` = 'entered';

CREATE TEMPORARY VIEW running_sizes AS
SELECT
  segment, `change`,
  TO_TIMESTAMP_LTZ(
    TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(0, 3), written_at) / ${window_seconds} * CAST(${window_ms} AS BIGINT), 3
  ) AS window_start,
  SUM(CASE `change` WHEN 'entered' THEN 1 ELSE -1 END) OVER (
    PARTITION BY segment ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS members
FROM changes;

INSERT INTO segment_sizes
SELECT /*+ STATE_TTL('sized' = '${horizon}') */
  window_start,
  TIMESTAMPADD(SECOND, ${window_seconds}, window_start) AS window_end,
  segment,
  CAST(LAST_VALUE(members) AS BIGINT),
  COUNT(*) FILTER (WHERE `change` = 'entered'),
  COUNT(*) FILTER (WHERE `change` = 'left')
FROM running_sizes AS sized
GROUP BY window_start, segment;
