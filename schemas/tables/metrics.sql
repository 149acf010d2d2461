-- Events, persons and revenue of each window, channel, event and campaign. An absent channel or campaign is ''
-- (a primary key has no nulls). Updated in place while events of the window still come.
CREATE TABLE metrics (
  window_start  TIMESTAMP_LTZ(3) NOT NULL,
  window_end    TIMESTAMP_LTZ(3) NOT NULL,
  channel       STRING NOT NULL,
  event         STRING NOT NULL,
  campaign      STRING NOT NULL,
  events        BIGINT NOT NULL,
  persons       BIGINT NOT NULL,              -- distinct, as identity sees them now
  revenue       DOUBLE NOT NULL,
  late          BIGINT NOT NULL,              -- events among `events` that came late
  PRIMARY KEY (window_start, channel, event, campaign) NOT ENFORCED
)
