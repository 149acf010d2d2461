-- What came in, window by window of arrival: one row for each measure.
--   received = accepted + rejected + duplicates; rejected has one row for each reason (label)
--   late, bots, no_identifier, and one row of `flagged` for each flag: among the accepted
--   suppressed: events of erased identifiers, by the window in which they happened
--   links_refused (label: reason), shared_devices, largest_person (identifiers of it, if many): by the window in which
--   identity decided
--   event_delay_ms (happened -> received), cleaning_delay_ms (received -> cleaned): labels avg and max
CREATE TABLE quality (
  window_start  TIMESTAMP_LTZ(3) NOT NULL,
  window_end    TIMESTAMP_LTZ(3) NOT NULL,
  measure       STRING NOT NULL,
  label         STRING NOT NULL,
  `value`       DOUBLE NOT NULL,
  PRIMARY KEY (window_start, measure, label) NOT ENFORCED
)
