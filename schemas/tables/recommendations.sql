-- The best items that each person has not seen, the best first. The n-th of each list belong together.
CREATE TABLE recommendations (
  profile_id  STRING NOT NULL,
  items       ARRAY<STRING> NOT NULL,        -- items that the person has not seen ...
  scores      ARRAY<DOUBLE> NOT NULL,        -- ... how much they go with what it saw last ...
  because_of  ARRAY<STRING> NOT NULL,        -- ... and the item seen that speaks most for each
  decided_at  TIMESTAMP_LTZ(3) NOT NULL,     -- when this was last worked out
  PRIMARY KEY (profile_id) NOT ENFORCED
)
