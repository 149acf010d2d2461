-- Who is in which segment now.
CREATE TABLE segments (
  segment     STRING NOT NULL,
  profile_id  STRING NOT NULL,
  since       TIMESTAMP_LTZ(3) NOT NULL,     -- when the person entered
  PRIMARY KEY (segment, profile_id) NOT ENFORCED
)
