-- Which persons have most identifiers? Hundreds are a shared terminal, or an id that should be blocked.
SELECT
  profile_id,
  COUNT(*) AS identifiers,
  COUNT(*) FILTER (WHERE type = 'user_id') AS logins,
  COUNT(*) FILTER (WHERE type IN ('email', 'phone')) AS contacts,
  COUNT(*) FILTER (WHERE type IN ('device_id', 'anonymous_id')) AS devices
FROM identities
GROUP BY profile_id
ORDER BY identifiers DESC, profile_id
LIMIT 20;
