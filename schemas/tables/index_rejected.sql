-- Documents that Elasticsearch refused for good, with its reason.
CREATE TABLE index_rejected (
  source_topic      STRING NOT NULL,
  source_partition  INT NOT NULL,
  source_offset     BIGINT NOT NULL,
  document_id       STRING NOT NULL,
  status            INT NOT NULL,
  reason            STRING NOT NULL,
  detail            STRING NOT NULL,
  rejected_at       TIMESTAMP_LTZ(3) NOT NULL,
  document          BYTES                          -- base64 in JSON; of more than 512 KiB the beginning
)
