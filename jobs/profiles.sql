-- One live profile for each person. Everything is summed up by subject first, which only ever grows; then joined to the
-- person whom the subject is now, so that merging and parting move a few rows. What is the latest is so by event time:
-- a moment (15 digits of milliseconds) with the value behind it, of which the greatest or least counts.

CREATE TEMPORARY VIEW moments AS
SELECT *, LPAD(CAST(event_ms AS STRING), 15, '0') AS moment
FROM events
WHERE subject_id IS NOT NULL;

CREATE TEMPORARY VIEW subject_totals AS
SELECT
  subject_type, subject_id,
  MIN(event_ms) AS first_ms,
  MAX(event_ms) AS last_ms,
  COUNT(*) FILTER (WHERE type = 'track') AS tracks,
  COUNT(*) FILTER (WHERE type = 'identify') AS identifies,
  COUNT(*) FILTER (WHERE type = 'page') AS pages,
  COUNT(*) FILTER (WHERE type = 'screen') AS screens,
  COUNT(*) FILTER (WHERE type = 'group') AS group_calls,
  COUNT(*) FILTER (WHERE type = 'alias') AS alias_calls,
  COUNT(*) FILTER (WHERE ordered) AS orders,
  MAX(event_ms) FILTER (WHERE ordered) AS last_order_ms,
  MAX(event_ms) FILTER (WHERE event = 'Product Added' OR event = 'Checkout Started') AS last_cart_ms,
  SUM(CAST(COALESCE(revenue_micros, 0) AS DECIMAL(38, 0))) AS revenue_micros,
  MAX(moment || email_masked) AS email,
  MAX(moment || phone_masked) AS phone,
  MAX(moment || channel) AS channel,
  MAX(moment || campaign) AS campaign,
  MIN(touch) AS first_touch,
  MAX(touch) AS last_touch,
  COUNT(*) FILTER (WHERE device_kind = 'desktop') AS desktop,
  COUNT(*) FILTER (WHERE device_kind = 'mobile') AS mobile,
  COUNT(*) FILTER (WHERE device_kind = 'tablet') AS tablet,
  COUNT(*) FILTER (WHERE device_kind = 'tv') AS tv,
  COUNT(*) FILTER (WHERE device_kind = 'bot') AS bot,
  COUNT(*) FILTER (WHERE device_kind = 'other') AS other,
  MAX(moment || CASE WHEN consent_analytics THEN 'granted' WHEN NOT consent_analytics THEN 'withdrawn' END) AS analytics,
  MAX(moment || CASE WHEN consent_marketing THEN 'granted' WHEN NOT consent_marketing THEN 'withdrawn' END) AS marketing
FROM (
  SELECT
    *,
    event = 'Order Completed' AS ordered,
    CASE WHEN campaign IS NOT NULL OR campaign_source IS NOT NULL OR campaign_medium IS NOT NULL THEN
      moment || COALESCE(channel, '') || CHR(31) || COALESCE(campaign, '') || CHR(31) ||
      COALESCE(campaign_source, '') || CHR(31) || COALESCE(campaign_medium, '')
    END AS touch
  FROM moments
)
GROUP BY subject_type, subject_id;

-- Sessions: what a person does within one half-hour of the clock is one session, so first and last moment of each
-- half-hour are all there is to know ...
CREATE TEMPORARY VIEW subject_half_hours AS
SELECT
  subject_type, subject_id, half_hour,
  MIN(event_ms) AS first_ms,
  MAX(event_ms) AS last_ms
FROM (
  SELECT subject_type, subject_id, event_ms, event_ms / 1800000 AS half_hour FROM moments
)
GROUP BY subject_type, subject_id, half_hour;

CREATE TEMPORARY VIEW owned_half_hours AS
SELECT profile_id, half_hour, first_ms, last_ms
FROM subject_half_hours AS subject
JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id;

-- ... and a session begins in each that does not follow within 30 minutes upon the last moment of the one before.
CREATE TEMPORARY VIEW person_half_hours AS
SELECT
  profile_id, half_hour,
  MIN(first_ms) AS first_ms,
  MAX(before_ms) AS before_ms
FROM (
  SELECT profile_id, around.half_hour, around.first_ms, around.before_ms
  FROM owned_half_hours AS owned CROSS JOIN UNNEST(ARRAY[
    ROW(owned.half_hour, owned.first_ms, CAST(NULL AS BIGINT)),
    ROW(owned.half_hour + 1, CAST(NULL AS BIGINT), owned.last_ms)
  ]) AS around (half_hour, first_ms, before_ms)
)
GROUP BY profile_id, half_hour;

-- Traits: of a subject and of a person the latest, as many as one event may have. A profile has to fit into a message of
-- Kafka, and each of its traits is state that nobody should fill without end.
CREATE TEMPORARY VIEW subject_traits AS
SELECT subject_type, subject_id, trait, content
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY subject_type, subject_id ORDER BY content DESC, trait) AS nth
  FROM (
    SELECT subject_type, subject_id, trait, MAX(moment || content) AS content
    FROM moments CROSS JOIN UNNEST(traits) AS trait (trait, content)
    GROUP BY subject_type, subject_id, trait
  )
)
WHERE nth <= ${max_traits};

CREATE TEMPORARY VIEW person_traits AS
SELECT profile_id, trait, SUBSTRING(content FROM 16) AS content
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY profile_id ORDER BY content DESC, trait) AS nth
  FROM (
    SELECT profile_id, trait, MAX(content) AS content
    FROM subject_traits AS subject
    JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id
    GROUP BY profile_id, trait
  )
)
WHERE nth <= ${max_traits};

-- By person: what changes with every event ...
CREATE TEMPORARY VIEW profile_totals AS
SELECT
  profile_id,
  MIN(first_ms) AS first_ms,
  MAX(last_ms) AS last_ms,
  SUM(tracks) AS tracks,
  SUM(identifies) AS identifies,
  SUM(pages) AS pages,
  SUM(screens) AS screens,
  SUM(group_calls) AS group_calls,
  SUM(alias_calls) AS alias_calls,
  SUM(orders) AS orders,
  MAX(last_order_ms) AS last_order_ms,
  MAX(last_cart_ms) AS last_cart_ms,
  CAST(SUM(revenue_micros) AS DOUBLE) / 1000000 AS revenue,
  SUBSTRING(MAX(email) FROM 16) AS email,
  SUBSTRING(MAX(phone) FROM 16) AS phone,
  SUBSTRING(MAX(channel) FROM 16) AS channel,
  SUBSTRING(MAX(campaign) FROM 16) AS campaign,
  MIN(first_touch) AS first_touch,
  MAX(last_touch) AS last_touch,
  SUM(desktop) AS desktop,
  SUM(mobile) AS mobile,
  SUM(tablet) AS tablet,
  SUM(tv) AS tv,
  SUM(bot) AS bot,
  SUM(other) AS other,
  -- Each identifier speaks for its latest choice, and the most restrictive of them counts.
  COUNT(*) FILTER (WHERE SUBSTRING(analytics FROM 16) = 'granted') AS analytics_granted,
  COUNT(*) FILTER (WHERE SUBSTRING(analytics FROM 16) = 'withdrawn') AS analytics_withdrawn,
  COUNT(*) FILTER (WHERE SUBSTRING(marketing FROM 16) = 'granted') AS marketing_granted,
  COUNT(*) FILTER (WHERE SUBSTRING(marketing FROM 16) = 'withdrawn') AS marketing_withdrawn
FROM (
  SELECT *
  FROM subject_totals AS subject
  JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id
)
GROUP BY profile_id;

-- ... and what seldom does.
CREATE TEMPORARY VIEW profile_details AS
SELECT
  profile_id,
  COUNT(*) FILTER (WHERE detail = 'session') AS sessions,
  COUNT(*) FILTER (WHERE detail = 'user_id') AS user_ids,
  COUNT(*) FILTER (WHERE detail = 'email') AS emails,
  COUNT(*) FILTER (WHERE detail = 'phone') AS phones,
  COUNT(*) FILTER (WHERE detail = 'device_id') AS device_ids,
  COUNT(*) FILTER (WHERE detail = 'anonymous_id') AS anonymous_ids,
  '{' || LISTAGG(entry, ',') || '}' AS traits
FROM (
  SELECT profile_id, 'session' AS detail, CAST(NULL AS STRING) AS entry
  FROM person_half_hours
  WHERE first_ms IS NOT NULL AND (before_ms IS NULL OR first_ms - before_ms > 1800000)
  UNION ALL
  SELECT profile_id, type, CAST(NULL AS STRING) FROM persons
  UNION ALL
  SELECT profile_id, 'trait', JSON_STRING(trait) || ':' || content FROM person_traits WHERE content <> 'null'
)
GROUP BY profile_id;

INSERT INTO profiles
SELECT
  total.profile_id,
  ROW(user_ids, emails, phones, device_ids, anonymous_ids),
  email,
  phone,
  TO_TIMESTAMP_LTZ(first_ms, 3),
  TO_TIMESTAMP_LTZ(last_ms, 3),
  tracks + identifies + pages + screens + group_calls + alias_calls,
  ROW(tracks, identifies, pages, screens, group_calls, alias_calls),
  sessions,
  orders,
  TO_TIMESTAMP_LTZ(last_order_ms, 3),
  TO_TIMESTAMP_LTZ(last_cart_ms, 3),
  revenue,
  channel,
  campaign,
  CASE WHEN first_touch IS NOT NULL THEN ROW(
    TO_TIMESTAMP_LTZ(CAST(LEFT(first_touch, 15) AS BIGINT), 3),
    NULLIF(SPLIT_INDEX(SUBSTRING(first_touch FROM 16), CHR(31), 0), ''),
    NULLIF(SPLIT_INDEX(first_touch, CHR(31), 1), ''),
    NULLIF(SPLIT_INDEX(first_touch, CHR(31), 2), ''),
    NULLIF(SPLIT_INDEX(first_touch, CHR(31), 3), '')
  ) END,
  CASE WHEN last_touch IS NOT NULL THEN ROW(
    TO_TIMESTAMP_LTZ(CAST(LEFT(last_touch, 15) AS BIGINT), 3),
    NULLIF(SPLIT_INDEX(SUBSTRING(last_touch FROM 16), CHR(31), 0), ''),
    NULLIF(SPLIT_INDEX(last_touch, CHR(31), 1), ''),
    NULLIF(SPLIT_INDEX(last_touch, CHR(31), 2), ''),
    NULLIF(SPLIT_INDEX(last_touch, CHR(31), 3), '')
  ) END,
  ROW(desktop, mobile, tablet, tv, bot, other),
  traits,
  ROW(
    CASE WHEN analytics_withdrawn > 0 THEN FALSE WHEN analytics_granted > 0 THEN TRUE END,
    CASE WHEN marketing_withdrawn > 0 THEN FALSE WHEN marketing_granted > 0 THEN TRUE END
  )
FROM profile_totals AS total JOIN profile_details AS detail ON total.profile_id = detail.profile_id;
