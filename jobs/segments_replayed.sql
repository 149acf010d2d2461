-- A replay has no history: who is in which segment at its one moment.
INSERT INTO segments
SELECT segment, profile_id, TO_TIMESTAMP_LTZ(0, 3)
FROM (SELECT profile_id, ${names} AS segments FROM judged) CROSS JOIN UNNEST(SPLIT(segments, ' ')) AS named (segment)
WHERE segment <> '';
