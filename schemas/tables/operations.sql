-- How each job of the suite is doing: a row for each sample that `dmp sample` takes of Flink's REST interface.
CREATE TABLE operations (
  `at`                TIMESTAMP_LTZ(3) NOT NULL,
  job                 STRING NOT NULL,          -- pipeline, index, ...
  state               STRING NOT NULL,          -- as Flink calls it; STOPPED: not on the cluster; UNREACHABLE: no cluster answers
  records_per_second  DOUBLE,                   -- read from Kafka, by Flink's mean over a minute
  `lag`               BIGINT,                   -- messages in Kafka that it has not read
  restarts            BIGINT,                   -- since it was submitted
  checkpoints_failed  BIGINT,                   -- since it was submitted
  checkpoint_ms       BIGINT,                   -- duration of the latest completed checkpoint
  checkpoint_bytes    BIGINT,                   -- size of its state
  checkpoint_age_ms   BIGINT,                   -- since it completed
  index_rejected      BIGINT                    -- documents that Elasticsearch refused since job index started its tasks
)
