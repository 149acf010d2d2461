-- One live document for each person that has a counted event.
CREATE TABLE profiles (
  profile_id     STRING NOT NULL,
  identifiers    ROW<user_id BIGINT, email BIGINT, phone BIGINT, device_id BIGINT, anonymous_id BIGINT> NOT NULL,  -- how many
  email          STRING,                     -- the latest, masked
  phone          STRING,                     -- the latest, masked
  first_seen     TIMESTAMP_LTZ(3) NOT NULL,
  last_seen      TIMESTAMP_LTZ(3) NOT NULL,
  events         BIGINT NOT NULL,
  events_by_type ROW<track BIGINT, identify BIGINT, page BIGINT, screen BIGINT, `group` BIGINT, `alias` BIGINT> NOT NULL,
  sessions       BIGINT NOT NULL,            -- a pause of more than 30 minutes ends one
  orders         BIGINT NOT NULL,            -- events named Order Completed
  last_order_at  TIMESTAMP_LTZ(3),
  last_cart_at   TIMESTAMP_LTZ(3),           -- the last Product Added or Checkout Started
  revenue        DOUBLE NOT NULL,
  channel        STRING,                     -- the last
  campaign       STRING,                     -- the last
  first_touch    ROW<`at` TIMESTAMP_LTZ(3), channel STRING, campaign STRING, source STRING, medium STRING>,
  last_touch     ROW<`at` TIMESTAMP_LTZ(3), channel STRING, campaign STRING, source STRING, medium STRING>,
  device_kinds   ROW<desktop BIGINT, mobile BIGINT, tablet BIGINT, tv BIGINT, bot BIGINT, other BIGINT> NOT NULL,  -- events
  traits         STRING,                     -- JSON object, the latest value of each, e-mails and phones masked
  consent        ROW<analytics BOOLEAN, marketing BOOLEAN> NOT NULL,
  PRIMARY KEY (profile_id) NOT ENFORCED
)
