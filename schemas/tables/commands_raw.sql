-- Commands about identities as they were given: one message, one command, bytes untouched.
CREATE TABLE commands_raw (
  `value`       BYTES,
  received_at   TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL,   -- when Kafka took it
  topic         STRING NOT NULL METADATA VIRTUAL,
  partition_id  INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  offset_id     BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL
)
