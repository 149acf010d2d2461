-- Data quality by window of arrival (a rejected event has no event time to go by), in two steps: counts of equal
-- outcomes first, a few rows a window; then these few rows spelled out as measures.

-- What arrived: valid when `reason` is null.
CREATE TEMPORARY VIEW arrived AS
SELECT /*+ STATE_TTL('cleaned' = '${horizon}') */
  TO_TIMESTAMP_LTZ(c.received_ms - MOD(c.received_ms, ${window_ms}), 3) AS window_start,
  c.reason AS reason,
  COUNT(*) AS events
FROM cleaned
GROUP BY TO_TIMESTAMP_LTZ(c.received_ms - MOD(c.received_ms, ${window_ms}), 3), c.reason;

-- What was accepted, with everything that cleaning noticed about it.
CREATE TEMPORARY VIEW accepted_events AS
SELECT /*+ STATE_TTL('noticed' = '${horizon}') */
  window_start, late, bot, nobody, flags,
  COUNT(*) AS events,
  SUM(event_delay_ms) AS event_delay_sum,
  MAX(event_delay_ms) AS event_delay_max,
  SUM(cleaning_delay_ms) AS cleaning_delay_sum,
  MAX(cleaning_delay_ms) AS cleaning_delay_max
FROM (
  SELECT
    TO_TIMESTAMP_LTZ(received_ms - MOD(received_ms, ${window_ms}), 3) AS window_start,
    late,
    bot,
    subject_id IS NULL AS nobody,
    ARRAY_JOIN(flags, ' ') AS flags,
    received_ms - event_ms AS event_delay_ms,
    cleaned_ms - received_ms AS cleaning_delay_ms
  FROM events
) AS noticed
GROUP BY window_start, late, bot, nobody, flags;

-- Received less rejected less accepted are duplicates: a valid event counts as one until it turns out to be the first.
CREATE TEMPORARY VIEW tallies AS
SELECT window_start, measure, label, events, amount
FROM arrived CROSS JOIN UNNEST(ARRAY[
  ROW('received', '', events),
  ROW(CASE WHEN reason IS NULL THEN 'duplicates' ELSE 'rejected' END, COALESCE(reason, ''), events)
]) AS tally (measure, label, amount)
UNION ALL
SELECT window_start, measure, label, events, amount
FROM accepted_events CROSS JOIN UNNEST(ARRAY[
  ROW('accepted', '', events),
  ROW('duplicates', '', -events),
  ROW('late', '', CASE WHEN late THEN events ELSE 0 END),
  ROW('bots', '', CASE WHEN bot THEN events ELSE 0 END),
  ROW('no_identifier', '', CASE WHEN nobody THEN events ELSE 0 END),
  ROW('event_delay_ms', 'avg', event_delay_sum),
  ROW('event_delay_ms', 'max', event_delay_max),
  ROW('cleaning_delay_ms', 'avg', cleaning_delay_sum),
  ROW('cleaning_delay_ms', 'max', cleaning_delay_max)
]) AS tally (measure, label, amount)
UNION ALL
SELECT window_start, 'flagged', flag, events, events
FROM accepted_events CROSS JOIN UNNEST(SPLIT(flags, ' ')) AS noticed (flag)
WHERE flag <> '';

INSERT INTO quality
SELECT /*+ STATE_TTL('tallies' = '${horizon}') */
  window_start,
  TIMESTAMPADD(SECOND, ${window_seconds}, window_start) AS window_end,
  measure,
  label,
  CASE label
    WHEN 'avg' THEN CAST(SUM(amount) AS DOUBLE) / SUM(events)
    WHEN 'max' THEN CAST(MAX(amount) AS DOUBLE)
    ELSE CAST(SUM(amount) AS DOUBLE)
  END AS `value`
FROM tallies
GROUP BY window_start, measure, label;
