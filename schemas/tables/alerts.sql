-- What the rules of alerts.yaml found, one row for each incident: it opens, is updated while it lasts, and resolves.
-- Times but the last are of events. An alert is withdrawn when its windows were corrected and it no longer follows.
CREATE TABLE alerts (
  alert_id     STRING NOT NULL,            -- of rule, series and begin: the same incident has the same id
  rule         STRING NOT NULL,
  kind         STRING NOT NULL,            -- threshold, change, zscore, silence, funnel_drop, reject_rate
  severity     STRING NOT NULL,            -- info, warning, critical
  series       STRING NOT NULL,            -- what the rule goes by, such as channel=web; '' for all
  status       STRING NOT NULL,            -- open, resolved, withdrawn
  summary      STRING NOT NULL,            -- for people
  started_at   TIMESTAMP_LTZ(3) NOT NULL,  -- begin of the first window in breach
  opened_at    TIMESTAMP_LTZ(3) NOT NULL,  -- end of the window in which it opened
  updated_at   TIMESTAMP_LTZ(3) NOT NULL,  -- end of the last window that was not calm
  resolved_at  TIMESTAMP_LTZ(3),           -- end of the window in which it resolved
  adopted      BOOLEAN NOT NULL,           -- resolved because it has become what is normal
  `value`      DOUBLE NOT NULL,            -- of the window that ended at updated_at
  expected     DOUBLE NOT NULL,            -- limit or baseline
  worst        DOUBLE NOT NULL,            -- the value furthest off
  windows      BIGINT NOT NULL,            -- in breach
  reopened     BIGINT NOT NULL,            -- how often it came back within the cool-down
  decided_at   TIMESTAMP_LTZ(3) NOT NULL,  -- when this was last worked out
  PRIMARY KEY (alert_id) NOT ENFORCED
)
