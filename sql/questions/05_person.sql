-- Which identifiers does the person behind this identifier have, and since when?
-- param identifier: raw, such as user_id:u1 or email:ann@example.com
SELECT own.profile_id, own.type, own.id, own.decided_at
FROM identities AS asked
JOIN identities AS own ON own.profile_id = asked.profile_id
WHERE asked.type || ':' || asked.id = ${identifier}
ORDER BY own.type, own.id;
