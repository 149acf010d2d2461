-- Dead letter of cleaning: raw bytes, where they came from and why they were refused.
CREATE TABLE events_rejected (
  reason            STRING NOT NULL,
  detail            STRING NOT NULL,               -- positions, names and sizes, never values
  received_at       TIMESTAMP_LTZ(3) NOT NULL,
  source_topic      STRING NOT NULL,
  source_partition  INT NOT NULL,
  source_offset     BIGINT NOT NULL,
  `raw`             BYTES                         -- base64 in JSON; of more than 512 KiB the beginning
)
