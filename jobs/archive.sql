-- Every accepted event, in the folder of the hour in which it happened (UTC), however late it came.
INSERT INTO archive
SELECT
  ${event_columns},
  DATE_FORMAT(event_time, 'yyyy-MM-dd') AS `date`,
  DATE_FORMAT(event_time, 'HH') AS `hour`
FROM events;
