-- What identity decided, one row for each decision: an identifier moved from one person to another, or a link was
-- refused. Rows stay as they are; those about an erased identifier vanish.
CREATE TABLE merges (
  change      STRING NOT NULL,               -- topic, partition and offset of the decision
  `at`        TIMESTAMP_LTZ(3) NOT NULL,
  identifier  STRING NOT NULL,               -- type:id
  other       STRING,                        -- of a refused link the other end
  `from`      STRING,                        -- profile_id before ...
  `to`        STRING,                        -- ... and after; both null for a refused link
  reason      STRING NOT NULL,               -- joined, parted; or claimed, shared, limit
  PRIMARY KEY (change) NOT ENFORCED
)
