-- Who had an original shown, and when; not whose.
CREATE TABLE vault_reads (
  `at`          TIMESTAMP_LTZ(3) NOT NULL,
  requested_by  STRING NOT NULL,     -- user of the operating system
  type          STRING NOT NULL,     -- email, phone
  found         BOOLEAN NOT NULL     -- whether there was an original
)
