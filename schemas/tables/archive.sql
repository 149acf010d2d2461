-- Accepted events as Parquet files in folders date=yyyy-MM-dd/hour=HH of event time, UTC. The columns are those of the
-- topic; text in place of DATE, so that every reader of Hive-style folders takes it alike.
CREATE TABLE archive (
  `date`  STRING NOT NULL,
  `hour`  STRING NOT NULL
) PARTITIONED BY (`date`, `hour`)
