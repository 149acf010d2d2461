-- Keyed tumbling windows over event time. An event is counted into its window whenever it comes: the window is a
-- plain group, updated in place, for as long as its state lives (${horizon}).

-- One row for each window, channel, event, campaign and subject. An absent channel or campaign is ''.
CREATE TEMPORARY VIEW window_subjects AS
SELECT /*+ STATE_TTL('bucketed' = '${horizon}') */
  window_start, channel, event, campaign, subject_type, subject_id,
  COUNT(*) AS events,
  SUM(revenue_micros) AS revenue_micros,
  SUM(late) AS late
FROM (
  SELECT
    TO_TIMESTAMP_LTZ(event_ms - MOD(event_ms, ${window_ms}), 3) AS window_start,
    COALESCE(channel, '') AS channel,
    event,
    COALESCE(campaign, '') AS campaign,
    subject_type,
    subject_id,
    CAST(COALESCE(revenue_micros, 0) AS DECIMAL(38, 0)) AS revenue_micros,
    CASE WHEN late THEN 1 ELSE 0 END AS late
  FROM events
) AS bucketed
GROUP BY window_start, channel, event, campaign, subject_type, subject_id;

-- The same with the person whom the subject is now: after counting by subject, so that a merge moves few rows. An event
-- without any identifier counts for no person; the events of an erased subject are gone.
CREATE TEMPORARY VIEW window_persons AS
SELECT /*+ STATE_TTL('subject' = '${horizon}') */
  window_start, channel, event, campaign, profile_id, events, revenue_micros, late
FROM window_subjects AS subject
JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id
UNION ALL
SELECT window_start, channel, event, campaign, CAST(NULL AS STRING), events, revenue_micros, late
FROM window_subjects
WHERE subject_id IS NULL;

-- One row for each person of a window, so that persons are counted as rows. COUNT(DISTINCT profile_id) would keep a map of
-- all persons of a window, and to find what has expired Flink reads five whole maps at each access to state on the heap.
CREATE TEMPORARY VIEW window_profiles AS
SELECT /*+ STATE_TTL('owned' = '${horizon}') */
  window_start, channel, event, campaign, profile_id,
  SUM(events) AS events,
  SUM(revenue_micros) AS revenue_micros,
  SUM(late) AS late
FROM window_persons AS owned
GROUP BY window_start, channel, event, campaign, profile_id;

INSERT INTO metrics
SELECT /*+ STATE_TTL('counted' = '${horizon}') */
  window_start,
  TIMESTAMPADD(SECOND, ${window_seconds}, window_start) AS window_end,
  channel,
  event,
  campaign,
  SUM(events) AS events,
  COUNT(profile_id) AS persons,
  CAST(SUM(revenue_micros) AS DOUBLE) / 1000000 AS revenue,
  SUM(late) AS late
FROM window_profiles AS counted
GROUP BY window_start, channel, event, campaign;

-- Events of erased identifiers that count nowhere else, by the window in which they happened.
-- (Two sinks of one job need transactional ids of their own.)
INSERT INTO quality /*+ OPTIONS('sink.transactional-id-prefix' = 'dmp.${job}.quality.persons') */
SELECT /*+ STATE_TTL('suppressed' = '${horizon}') */
  window_start,
  TIMESTAMPADD(SECOND, ${window_seconds}, window_start) AS window_end,
  measure,
  label,
  CAST(SUM(events) AS DOUBLE)
FROM (
  SELECT /*+ STATE_TTL('subject' = '${horizon}') */
    window_start, 'suppressed' AS measure, '' AS label, events
  FROM window_subjects AS subject
  JOIN erased AS gone ON subject.subject_type = gone.type AND subject.subject_id = gone.id
) AS suppressed
GROUP BY window_start, measure, label;
