-- How much revenue belongs to the campaign that a person touched first, and how much to the one touched last?
SELECT
  campaign,
  SUM(persons) AS first_touch_persons,
  ROUND(SUM(first_revenue), 2) AS first_touch_revenue,
  ROUND(SUM(last_revenue), 2) AS last_touch_revenue
FROM (
  SELECT first_touch.campaign AS campaign, 1 AS persons, revenue AS first_revenue, 0.0 AS last_revenue FROM profiles
  UNION ALL
  SELECT last_touch.campaign, 0, 0.0, revenue FROM profiles
)
WHERE campaign IS NOT NULL
GROUP BY campaign
ORDER BY first_touch_revenue DESC;
