-- Who entered or left which segment, when and why: played back from the beginning, they give `segments`.
CREATE TABLE segment_changes (
  profile_id  STRING NOT NULL,
  segment     STRING NOT NULL,
  `change`    STRING NOT NULL,               -- entered, left
  `at`        TIMESTAMP_LTZ(3) NOT NULL,
  because     STRING NOT NULL                -- event, merge (identifiers came or went), time, rule
)
