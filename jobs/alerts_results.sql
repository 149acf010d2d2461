INSERT INTO alerts
SELECT
  alert_id, rule, kind, severity, series, status, summary,
  TO_TIMESTAMP_LTZ(started_ms, 3), TO_TIMESTAMP_LTZ(opened_ms, 3), TO_TIMESTAMP_LTZ(updated_ms, 3),
  TO_TIMESTAMP_LTZ(resolved_ms, 3),
  adopted, `value`, expected, worst, windows, reopened, CURRENT_ROW_TIMESTAMP()
FROM judged;
