-- What the rules say about each person now, and what they looked at: comparing a row with the one before it tells who
-- entered or left which segment, and why. Between the views of job `segments`; people read `segments`.
CREATE TABLE memberships (
  profile_id   STRING NOT NULL,
  segments     STRING NOT NULL,              -- names with spaces between, in the order of the rules
  identifiers  BIGINT NOT NULL,              -- identifiers of the person ...
  events       BIGINT NOT NULL,              -- ... its events ...
  purchases    BIGINT NOT NULL,              -- ... and those among them with revenue, or that are orders
  rules        STRING NOT NULL,              -- hash of the rules
  PRIMARY KEY (profile_id) NOT ENFORCED
)
