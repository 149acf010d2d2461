-- What did the person with this masked e-mail do, event by event? Persons whose masks are equal stand one after the other.
-- param email: as in dmp-profiles, such as j***@e***.com
SELECT own.profile_id, event_time, occurred.type, event, channel, campaign, page_url, revenue
FROM (
  SELECT DISTINCT profile_id
  FROM events_clean AS occurred
  JOIN identities AS subject ON occurred.subject_type = subject.type AND occurred.subject_id = subject.id
  WHERE email_masked = ${email}
) AS asked
JOIN identities AS own ON own.profile_id = asked.profile_id
JOIN events_clean AS occurred ON occurred.subject_type = own.type AND occurred.subject_id = own.id
ORDER BY profile_id, event_time
LIMIT 1000;
