-- Changes of windows of both tables, one after the other in one shape. A window that is corrected comes as its row
-- before and its row after.
CREATE TEMPORARY VIEW window_changes AS
SELECT
  1000 * CAST(TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(0, 3), window_start) AS BIGINT) AS window_start,
  channel, event, campaign, events, revenue, late,
  CAST(NULL AS STRING) AS measure, CAST(NULL AS STRING) AS label, CAST(NULL AS DOUBLE) AS `value`
FROM timed_metrics
UNION ALL
SELECT
  1000 * CAST(TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(0, 3), window_start) AS BIGINT),
  CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS BIGINT), CAST(NULL AS DOUBLE),
  CAST(NULL AS BIGINT),
  measure, label, `value`
FROM timed_quality;
