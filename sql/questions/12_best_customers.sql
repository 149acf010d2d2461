-- Who spends most, and what brought them first?
SELECT
  COALESCE(email, phone, profile_id) AS person, revenue, orders, sessions, events,
  first_touch.campaign AS first_campaign, last_seen
FROM profiles
ORDER BY revenue DESC, profile_id
LIMIT 20;
