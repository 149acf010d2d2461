-- Links that are refused now. An end is written type:id.
CREATE TABLE refused (
  a           STRING NOT NULL,
  b           STRING NOT NULL,
  reason      STRING NOT NULL,               -- claimed, shared, limit
  decided_at  TIMESTAMP_LTZ(3) NOT NULL,     -- when this was last worked out
  PRIMARY KEY (a, b) NOT ENFORCED
)
