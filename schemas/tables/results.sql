-- Messages of every topic that Elasticsearch holds, as bytes. A message without a value deletes.
CREATE TABLE results (
  `key`         BYTES,
  `value`       BYTES,
  topic         STRING NOT NULL METADATA VIRTUAL,
  partition_id  INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  offset_id     BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  written_at    TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL,
  arrival       AS PROCTIME()
)
