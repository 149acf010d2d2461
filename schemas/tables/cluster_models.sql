-- The model that puts people into clusters, as `dmp segments publish` sent it.
CREATE TABLE cluster_models (
  name          STRING NOT NULL,             -- clusters
  version       STRING NOT NULL,             -- hash of the numbers that scores depend on
  published_at  TIMESTAMP_LTZ(3) NOT NULL,
  document      STRING NOT NULL,             -- the model file, JSON
  PRIMARY KEY (name) NOT ENFORCED
)
