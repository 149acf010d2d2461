-- Does what came in add up: received = accepted + rejected + duplicates, hour by hour?
SELECT
  `hour`,
  SUM(`value`) FILTER (WHERE measure = 'received') AS received,
  SUM(`value`) FILTER (WHERE measure = 'accepted') AS accepted,
  SUM(`value`) FILTER (WHERE measure = 'rejected') AS rejected,
  SUM(`value`) FILTER (WHERE measure = 'duplicates') AS duplicates,
  SUM(`value`) FILTER (WHERE measure = 'late') AS late,
  SUM(`value`) FILTER (WHERE measure = 'bots') AS bots
FROM (SELECT DATE_FORMAT(window_start, 'yyyy-MM-dd HH:00') AS `hour`, measure, `value` FROM quality)
GROUP BY `hour`
ORDER BY `hour`;
