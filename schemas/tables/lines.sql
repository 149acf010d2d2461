-- Lines of files in place of a raw topic, for a replay: topic is the file, partition_id its number, offset_id the line.
-- The number of the line among all of them stands for the moment of arrival, in milliseconds. The watermark stays far
-- behind: subtasks read the files in any order, and deduplication has to wait for all of them.
CREATE TABLE lines (
  `value`       BYTES,
  received_at   TIMESTAMP_LTZ(3) NOT NULL,
  topic         STRING NOT NULL,
  partition_id  INT NOT NULL,
  offset_id     BIGINT NOT NULL,
  number        BIGINT NOT NULL,
  arrival       AS TO_TIMESTAMP_LTZ(number, 3),
  WATERMARK FOR arrival AS arrival - INTERVAL '99' YEAR
)
