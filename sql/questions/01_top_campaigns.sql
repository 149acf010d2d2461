-- Which campaigns bring most revenue, persons and events now?
-- param hours = 24: hours back from the newest event
SELECT
  COALESCE(campaign, '(none)') AS campaign,
  COUNT(*) AS events,
  COUNT(DISTINCT profile_id) AS persons,
  COUNT(*) FILTER (WHERE event = 'Order Completed') AS orders,
  ROUND(COALESCE(SUM(revenue), 0), 2) AS revenue
FROM events_clean
LEFT JOIN identities ON subject_type = identities.type AND subject_id = id
WHERE event_ms > (SELECT MAX(event_ms) FROM events_clean) - CAST(${hours} AS BIGINT) * 3600000
GROUP BY campaign
ORDER BY revenue DESC, events DESC
LIMIT 20;
