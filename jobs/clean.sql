-- Every raw event with what cleaning made of it (column c): the only Python hop of the whole pipeline.
CREATE TEMPORARY VIEW cleaned AS
SELECT *, clean_event(`value`, received_at, partition_id) AS c
FROM events_raw;

-- Accepted events; some of them came before.
CREATE TEMPORARY VIEW valid AS
SELECT cleaned.c.*, arrival
FROM cleaned
WHERE c.reason IS NULL;

-- The first event of each messageId within a day. Counting is append-only, whereas ROW_NUMBER = 1 is planned as an
-- updating stream with mini-batch on, and neither Kafka transactions nor cheap aggregates take updates.
CREATE TEMPORARY VIEW events AS
SELECT ${event_columns}
FROM (
  SELECT *, COUNT(*) OVER (
    PARTITION BY message_id ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS nth
  FROM valid
)
WHERE nth = 1;

INSERT INTO events_clean
SELECT ${event_columns}
FROM events;

INSERT INTO events_rejected
SELECT c.reason, c.detail, received_at, topic, partition_id, offset_id, ${kept_bytes}
FROM cleaned
WHERE c.reason IS NOT NULL;
