-- How many persons allow analytics and marketing?
SELECT
  consent.analytics AS analytics,
  consent.marketing AS marketing,
  COUNT(*) AS persons,
  COUNT(*) FILTER (WHERE email IS NOT NULL OR phone IS NOT NULL) AS with_contact
FROM profiles
GROUP BY consent.analytics, consent.marketing
ORDER BY persons DESC;
