-- Decisions in the order in which they were written, each with the one before it about the same key. Reading them
-- back makes rows of an audit from tables that only know the present.
CREATE TEMPORARY VIEW decisions AS
SELECT
  topic, partition_id, offset_id, written_at, identifier, other, profile_id, reason,
  LAG(profile_id) OVER (PARTITION BY topic, identifier, other ORDER BY arrival) AS profile_before,
  LAG(reason) OVER (PARTITION BY topic, identifier, other ORDER BY arrival) AS reason_before
FROM (
  SELECT
    topic, partition_id, offset_id, written_at, arrival,
    COALESCE(
      JSON_VALUE(key_text, '$$.a'), JSON_VALUE(key_text, '$$.type') || ':' || JSON_VALUE(key_text, '$$.id')
    ) AS identifier,
    JSON_VALUE(key_text, '$$.b') AS other,
    JSON_VALUE(value_text, '$$.profile_id') AS profile_id,
    JSON_VALUE(value_text, '$$.reason') AS reason
  FROM (
    SELECT *, CAST(`key` AS STRING) AS key_text, CAST(`value` AS STRING) AS value_text FROM results
  )
  -- That a link is refused no more counts, or it could not be refused anew. An identifier never vanishes but for good, or
  -- for the moment between two parts of an update.
  WHERE value_text IS NOT NULL OR JSON_VALUE(key_text, '$$.b') IS NOT NULL
);

-- An identifier moved from one person to another, or a link is newly refused.
CREATE TEMPORARY VIEW moves AS
SELECT
  topic || '/' || CAST(partition_id AS STRING) || '/' || CAST(offset_id AS STRING) AS change,
  written_at, identifier, other, profile_before, profile_id,
  CASE
    WHEN reason IS NOT NULL THEN reason
    WHEN profile_id = 'p' || LEFT(SHA256(identifier), 20) THEN 'parted'
    ELSE 'joined'
  END AS reason
FROM decisions
WHERE profile_before <> profile_id OR reason IS NOT NULL AND reason IS DISTINCT FROM reason_before;

CREATE TEMPORARY VIEW forgotten AS
SELECT type || ':' || id AS identifier
FROM erased;

-- Nothing is told of who is erased, and what was told vanishes. Each change is one row; grouping only tells the planner.
INSERT INTO merges
SELECT
  change, MAX(written_at), MAX(moves.identifier), MAX(other), MAX(profile_before), MAX(profile_id), MAX(reason)
FROM moves
LEFT JOIN forgotten AS this_end ON moves.identifier = this_end.identifier
LEFT JOIN forgotten AS other_end ON moves.other = other_end.identifier
WHERE this_end.identifier IS NULL AND other_end.identifier IS NULL
GROUP BY change;
