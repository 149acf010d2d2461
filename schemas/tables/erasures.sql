-- What `dmp erase` had removed, for the record: counts, and nobody's identifiers.
CREATE TABLE erasures (
  `at`           TIMESTAMP_LTZ(3) NOT NULL,     -- when it was asked for
  requested_by   STRING NOT NULL,               -- user of the operating system
  identifiers    ROW<user_id BIGINT, email BIGINT, phone BIGINT, device_id BIGINT, anonymous_id BIGINT> NOT NULL,
  events         BIGINT NOT NULL,               -- that the profile had
  documents      ROW<identities BIGINT, profiles BIGINT, merges BIGINT, refused BIGINT> NOT NULL,  -- that there were
  gone_after_seconds  DOUBLE                    -- until Elasticsearch had none of them; null if nobody saw that
)
