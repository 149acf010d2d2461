-- Signs of trouble with identity, by the window in which it was decided: in dmp.quality beside those of the data.

-- Refused links by reason.
CREATE TEMPORARY VIEW links_refused AS
SELECT decided_at, 'links_refused' AS measure, reason AS label, CAST(1 AS BIGINT) AS amount
FROM refused;

-- Shared devices and anonymous ids: each has links to several logins, all of them refused.
CREATE TEMPORARY VIEW shared_devices AS
SELECT MAX(decided_at) AS decided_at, 'shared_devices' AS measure, '' AS label, CAST(1 AS BIGINT) AS amount
FROM refused
WHERE reason = 'shared' AND b LIKE 'user_id:%'
GROUP BY a;

-- Persons of ${large_person} identifiers and more, by the window of their latest identifier.
CREATE TEMPORARY VIEW large_persons AS
SELECT decided_at, 'largest_person' AS measure, '' AS label, size AS amount
FROM (SELECT MAX(decided_at) AS decided_at, COUNT(*) AS size FROM identities GROUP BY profile_id)
WHERE size >= ${large_person};

-- TIMESTAMPDIFF is an INT: milliseconds would overflow it.
CREATE TEMPORARY VIEW watched AS
SELECT
  TO_TIMESTAMP_LTZ(
    TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(0, 3), decided_at) / ${window_seconds} * CAST(${window_ms} AS BIGINT), 3
  ) AS window_start,
  measure, label, amount
FROM (
  SELECT * FROM links_refused UNION ALL SELECT * FROM shared_devices UNION ALL SELECT * FROM large_persons
);

-- (Two sinks of one job need transactional ids of their own.)
INSERT INTO quality /*+ OPTIONS('sink.transactional-id-prefix' = 'dmp.${job}.quality.identity') */
SELECT
  window_start,
  TIMESTAMPADD(SECOND, ${window_seconds}, window_start) AS window_end,
  measure,
  label,
  CAST(CASE measure WHEN 'largest_person' THEN MAX(amount) ELSE SUM(amount) END AS DOUBLE)
FROM watched
GROUP BY window_start, measure, label;
