-- How many persons get from looking to buying, hour by hour?
-- param first = Product Viewed: the event of the first step
-- param second = Product Added: of the second
-- param third = Order Completed: of the third
SELECT
  `hour`,
  COUNT(*) FILTER (WHERE looked > 0) AS `first`,
  COUNT(*) FILTER (WHERE looked > 0 AND took > 0) AS `second`,
  COUNT(*) FILTER (WHERE looked > 0 AND took > 0 AND bought > 0) AS `third`
FROM (
  SELECT
    DATE_FORMAT(event_time, 'yyyy-MM-dd HH:00') AS `hour`,
    profile_id,
    COUNT(*) FILTER (WHERE event = ${first}) AS looked,
    COUNT(*) FILTER (WHERE event = ${second}) AS took,
    COUNT(*) FILTER (WHERE event = ${third}) AS bought
  FROM events_clean
  JOIN identities ON subject_type = identities.type AND subject_id = id
  GROUP BY DATE_FORMAT(event_time, 'yyyy-MM-dd HH:00'), profile_id
)
GROUP BY `hour`
HAVING COUNT(*) FILTER (WHERE looked > 0) > 0
ORDER BY `hour`;
