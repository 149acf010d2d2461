-- Time as two tables, so that views over changing rows need no clock of their own: what time it is for each share of the
-- persons (the first two digits of their ids), and which hour each of the 720 slots of 30 days has last been.
CREATE TEMPORARY VIEW clock AS
SELECT share, TO_TIMESTAMP_LTZ(MAX(${moment_ms}), 3) AS moment
FROM (
  SELECT now_ms, share, number
  FROM (SELECT now_ms, '${shares}' AS shares FROM ticks)
  CROSS JOIN UNNEST(SPLIT(shares, ' ')) WITH ORDINALITY AS listed (share, number)
)
GROUP BY share;

CREATE TEMPORARY VIEW hours AS
SELECT slot, MAX(`hour` - MOD(`hour` - slot, 720)) AS `hour`
FROM (
  SELECT `hour`, CAST(slot AS BIGINT) AS slot
  FROM (SELECT `hour`, '${slots}' AS slots FROM (SELECT DISTINCT now_ms / 3600000 AS `hour` FROM ticks))
  CROSS JOIN UNNEST(SPLIT(slots, ' ')) AS listed (slot)
)
GROUP BY slot;
