-- How many events and how much revenue has each window of the archive? The same count by key as dmp.metrics, in batch.
-- param date = 1970-01-01: the first day, UTC; folders before it are not read
-- param seconds = 10: length of a window, as windows.seconds
SELECT
  TO_TIMESTAMP_LTZ(event_ms - MOD(event_ms, CAST(${seconds} AS BIGINT) * 1000), 3) AS window_start,
  COALESCE(channel, '') AS channel,
  event,
  COALESCE(campaign, '') AS campaign,
  COUNT(*) AS events,
  CAST(SUM(CAST(COALESCE(revenue_micros, 0) AS DECIMAL(38, 0))) AS DOUBLE) / 1000000 AS revenue
FROM archive
WHERE `date` >= ${date}
GROUP BY
  TO_TIMESTAMP_LTZ(event_ms - MOD(event_ms, CAST(${seconds} AS BIGINT) * 1000), 3),
  COALESCE(channel, ''), event, COALESCE(campaign, '')
ORDER BY window_start, channel, event, campaign;
