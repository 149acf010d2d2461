-- RFM scores of everyone who has ordered: 5 is best. The limits between them stand in segments.yaml.
CREATE TABLE rfm (
  profile_id  STRING NOT NULL,
  recency     INT NOT NULL,                  -- how recent the last order is
  frequency   INT NOT NULL,                  -- how many orders there are
  monetary    INT NOT NULL,                  -- how much revenue they brought
  scored_at   TIMESTAMP_LTZ(3) NOT NULL,     -- when this was last worked out
  PRIMARY KEY (profile_id) NOT ENFORCED
)
