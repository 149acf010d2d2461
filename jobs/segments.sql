-- Everything that the rules can ask of a person: what stands in its profile, what it bought within 30 days, and how long
-- ago things were. Time is a table: `hours` and `clock` change as it passes, and whom that concerns is judged anew.

-- What was bought, by hour.
CREATE TEMPORARY VIEW subject_purchases AS
SELECT
  subject_type, subject_id, `hour`,
  COUNT(*) AS purchases,
  COUNT(*) FILTER (WHERE event = 'Order Completed') AS orders,
  SUM(CAST(COALESCE(revenue_micros, 0) AS DECIMAL(38, 0))) AS revenue_micros
FROM (
  SELECT subject_type, subject_id, event, revenue_micros, event_ms / 3600000 AS `hour`
  FROM events
  WHERE subject_id IS NOT NULL AND (event = 'Order Completed' OR revenue_micros IS NOT NULL)
)
GROUP BY subject_type, subject_id, `hour`;

CREATE TEMPORARY VIEW purchases AS
SELECT profile_id, `hour`, MOD(`hour`, 720) AS slot, purchases, orders, revenue_micros
FROM subject_purchases AS subject
JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id;

-- An hour is one of the last 720 until the same slot begins again, so each row is looked at once in 30 days.
CREATE TEMPORARY VIEW person_purchases AS
SELECT
  profile_id,
  SUM(purchases) AS purchases,
  SUM(CASE WHEN purchase.`hour` >= recent.`hour` THEN orders ELSE 0 END) AS orders_30d,
  CAST(SUM(CASE WHEN purchase.`hour` >= recent.`hour` THEN revenue_micros ELSE 0 END) AS DOUBLE) / 1000000 AS revenue_30d
FROM purchases AS purchase
JOIN hours AS recent ON purchase.slot = recent.slot
GROUP BY profile_id;

CREATE TEMPORARY VIEW known AS
SELECT
  profile.*,
  SUBSTRING(profile.profile_id FROM 2 FOR 2) AS share,
  COALESCE(bought.purchases, 0) AS purchases,
  COALESCE(bought.orders_30d, 0) AS orders_30d,
  COALESCE(bought.revenue_30d, 0) AS revenue_30d
FROM profiles AS profile
LEFT JOIN person_purchases AS bought ON profile.profile_id = bought.profile_id;

CREATE TEMPORARY VIEW facts AS
SELECT
  profile_id,
  traits,
  purchases,
  events,
  profile.events_by_type.track AS tracks,
  profile.events_by_type.page AS pages,
  profile.events_by_type.screen AS screens,
  sessions,
  orders,
  revenue,
  orders_30d,
  revenue_30d,
  profile.identifiers.user_id AS user_ids,
  profile.identifiers.email AS emails,
  profile.identifiers.phone AS phones,
  profile.identifiers.device_id AS device_ids,
  profile.identifiers.anonymous_id AS anonymous_ids,
  profile.identifiers.user_id + profile.identifiers.email + profile.identifiers.phone +
    profile.identifiers.device_id + profile.identifiers.anonymous_id AS identifiers,
  CASE WHEN profile.device_kinds.desktop > 0 THEN 1 ELSE 0 END + CASE WHEN profile.device_kinds.mobile > 0 THEN 1 ELSE 0 END +
    CASE WHEN profile.device_kinds.tablet > 0 THEN 1 ELSE 0 END + CASE WHEN profile.device_kinds.tv > 0 THEN 1 ELSE 0 END
    AS device_kinds,
  profile.device_kinds.bot AS bot_events,
  GREATEST(TIMESTAMPDIFF(DAY, first_seen, moment), 0) AS days_since_first_seen,
  GREATEST(TIMESTAMPDIFF(DAY, last_seen, moment), 0) AS days_since_last_seen,
  GREATEST(TIMESTAMPDIFF(DAY, last_order_at, moment), 0) AS days_since_order,
  GREATEST(TIMESTAMPDIFF(HOUR, last_cart_at, moment), 0) AS hours_since_cart,
  last_cart_at IS NOT NULL AND (last_order_at IS NULL OR last_order_at < last_cart_at) AS cart_open,
  channel,
  campaign,
  profile.first_touch.channel AS first_channel,
  profile.first_touch.campaign AS first_campaign,
  profile.first_touch.source AS first_source,
  profile.first_touch.medium AS first_medium,
  profile.last_touch.channel AS last_channel,
  profile.last_touch.campaign AS last_campaign,
  profile.last_touch.source AS last_source,
  profile.last_touch.medium AS last_medium,
  TIMESTAMPDIFF(MINUTE, first_seen, profile.first_touch.`at`) AS minutes_to_first_touch,
  profile.consent.marketing AS marketing_consent,
  profile.consent.analytics AS analytics_consent
FROM known AS profile
JOIN clock ON profile.share = clock.share;

-- Scores of 1 to 5 for those who have ordered.
CREATE TEMPORARY VIEW scored AS
SELECT
  *,
${scores}
FROM facts;

-- The rules of segments.yaml, a line each: who is in a segment. The id is put together anew, or the planner would see that
-- it is a key, take the grouping that follows for superfluous, and send on every row.
CREATE TEMPORARY VIEW judged AS
SELECT
  'p' || SUBSTRING(profile_id FROM 2) AS profile_id, identifiers, events, purchases, recency, frequency, monetary,
${conditions}
FROM scored;
