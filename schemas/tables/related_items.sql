-- What goes with each item: the items that are in baskets with it, the best first. The n-th of each list belong together.
CREATE TABLE related_items (
  item        STRING NOT NULL,
  support     DOUBLE NOT NULL,               -- baskets with the item; one counts half as much as one of the next period
  related     ARRAY<STRING> NOT NULL,        -- other items ...
  scores      ARRAY<DOUBLE> NOT NULL,        -- ... how much they are alike, by which they are ranked ...
  supports    ARRAY<DOUBLE> NOT NULL,        -- ... baskets with both items ...
  lifts       ARRAY<DOUBLE> NOT NULL,        -- ... and how many times more than by chance that is
  decided_at  TIMESTAMP_LTZ(3) NOT NULL,     -- when this was last worked out
  PRIMARY KEY (item) NOT ENFORCED
)
