-- Which windows had late events, and how large a part of them?
SELECT
  window_start,
  SUM(events) AS events,
  SUM(late) AS late,
  ROUND(100.0 * SUM(late) / SUM(events), 1) AS late_percent
FROM metrics
GROUP BY window_start
HAVING SUM(late) > 0
ORDER BY late DESC, window_start
LIMIT 20;
