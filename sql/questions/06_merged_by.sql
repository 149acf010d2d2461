-- Which links merged persons last: who joined whom, and by which link, first seen when?
-- An event links its subject to each of its other identifiers; a link by command shows no first_seen.
SELECT `at`, identifier, `from`, `to`, neighbour AS linked_to, first_seen
FROM (
  SELECT
    `at`, identifier, `from`, `to`, neighbour, first_seen,
    ROW_NUMBER() OVER (PARTITION BY change ORDER BY first_seen DESC) AS nth
  FROM merges
  LEFT JOIN (
    SELECT here, neighbour, MIN(event_time) AS first_seen
    FROM (
      SELECT subject_type || ':' || subject_id AS here, other AS neighbour, event_time FROM events_clean
      CROSS JOIN UNNEST(ARRAY['email:' || email, 'phone:' || phone, 'device_id:' || device_id,
                              'anonymous_id:' || anonymous_id, 'anonymous_id:' || previous_id]) AS links (other)
      WHERE other IS NOT NULL AND other <> subject_type || ':' || subject_id
      UNION ALL
      SELECT other, subject_type || ':' || subject_id, event_time FROM events_clean
      CROSS JOIN UNNEST(ARRAY['email:' || email, 'phone:' || phone, 'device_id:' || device_id,
                              'anonymous_id:' || anonymous_id, 'anonymous_id:' || previous_id]) AS links (other)
      WHERE other IS NOT NULL AND other <> subject_type || ':' || subject_id
    )
    GROUP BY here, neighbour
  ) ON here = identifier
  LEFT JOIN (SELECT type || ':' || id AS name, profile_id FROM identities) ON name = neighbour
  WHERE reason = 'joined' AND (neighbour IS NULL OR profile_id = `to`)
)
WHERE nth = 1
ORDER BY `at` DESC
LIMIT 20;
