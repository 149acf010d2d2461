-- Which cluster the model puts each person into, and which model it was.
CREATE TABLE clusters (
  profile_id  STRING NOT NULL,
  cluster     INT NOT NULL,
  model       STRING NOT NULL,               -- version
  scored_at   TIMESTAMP_LTZ(3) NOT NULL,     -- when this was last worked out
  PRIMARY KEY (profile_id) NOT ENFORCED
)
