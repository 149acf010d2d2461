-- Accepted events, each once: validated, identifiers normalised, e-mail and phone only as keyed hashes.
CREATE TABLE events_clean (
  message_id         STRING NOT NULL,
  event_ms           BIGINT NOT NULL,       -- event time, epoch milliseconds
  type               STRING NOT NULL,       -- track, identify, page, screen, group, alias
  event              STRING NOT NULL,       -- name of a track event, else the type
  channel            STRING,                -- web, app, social, store, iot
  user_id            STRING,
  email              STRING,                -- HMAC-SHA256, hex
  phone              STRING,                -- HMAC-SHA256, hex
  device_id          STRING,
  anonymous_id       STRING,
  previous_id        STRING,                -- alias: the anonymous id that the user had before
  group_id           STRING,
  subject_type       STRING,                -- the strongest identifier of the event ...
  subject_id         STRING,                -- ... null when it has none
  email_masked       STRING,
  phone_masked       STRING,
  campaign           STRING,
  campaign_source    STRING,
  campaign_medium    STRING,
  page_url           STRING,                -- without query and fragment
  page_title         STRING,
  referrer_host      STRING,
  ip                 STRING,                -- cut to /24 or /48
  country            STRING,
  city               STRING,
  browser            STRING,
  os                 STRING,
  device_kind        STRING,
  bot                BOOLEAN NOT NULL,
  consent_analytics  BOOLEAN,
  consent_marketing  BOOLEAN,
  revenue_micros     BIGINT,                -- millionths: sums stay exact
  currency           STRING,
  order_id           STRING,
  traits             MAP<STRING, STRING>,   -- trait -> its value as JSON text, e-mails and phones masked
  properties         STRING,                -- JSON object, e-mails and phones masked
  library            STRING,
  flags              ARRAY<STRING>,         -- what cleaning noticed: invalid_email, blocked_identifier, ...
  late               BOOLEAN NOT NULL,      -- its window had ended by the watermark of its partition
  received_ms        BIGINT NOT NULL,       -- when Kafka took it, epoch milliseconds
  cleaned_ms         BIGINT NOT NULL,       -- when it was cleaned, epoch milliseconds
  event_time  AS TO_TIMESTAMP_LTZ(event_ms, 3),
  received_at AS TO_TIMESTAMP_LTZ(received_ms, 3),
  revenue     AS CAST(revenue_micros AS DOUBLE) / 1000000,
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
)
