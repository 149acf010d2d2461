-- How do the channels compare: persons, and the share of them that orders?
SELECT
  COALESCE(channel, '(unknown)') AS channel,
  COUNT(*) AS events,
  COUNT(DISTINCT profile_id) AS persons,
  COUNT(DISTINCT profile_id) FILTER (WHERE event = 'Order Completed') AS buyers,
  ROUND(
    100.0 * COUNT(DISTINCT profile_id) FILTER (WHERE event = 'Order Completed') / COUNT(DISTINCT profile_id), 1
  ) AS buyers_percent,
  ROUND(COALESCE(SUM(revenue), 0), 2) AS revenue
FROM events_clean
JOIN identities ON subject_type = identities.type AND subject_id = id
GROUP BY channel
ORDER BY persons DESC;
