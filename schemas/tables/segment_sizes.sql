-- Segments by window: a row for each window in which anyone entered or left; the size stays until the next row.
CREATE TABLE segment_sizes (
  window_start  TIMESTAMP_LTZ(3) NOT NULL,
  window_end    TIMESTAMP_LTZ(3) NOT NULL,
  segment       STRING NOT NULL,
  members       BIGINT NOT NULL,             -- after the last change within the window
  entered       BIGINT NOT NULL,
  `left`        BIGINT NOT NULL,
  PRIMARY KEY (window_start, segment) NOT ENFORCED
)
