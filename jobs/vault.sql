-- Every event with its e-mail and phone, sealed (column c).
CREATE TEMPORARY VIEW sealed AS
SELECT seal_contacts(`value`) AS c, arrival
FROM events_raw;

-- What there is to say of a contact, in the order of arrival: it was seen, or it is erased and has no entry.
CREATE TEMPORARY VIEW news AS
SELECT type, id, entry, arrival
FROM (SELECT c.email, c.email_entry, c.phone, c.phone_entry, arrival FROM sealed)
CROSS JOIN UNNEST(ARRAY[ROW('email', email, email_entry), ROW('phone', phone, phone_entry)]) AS contact (type, id, entry)
WHERE id IS NOT NULL
UNION ALL
SELECT a_type, a_id, CAST(NULL AS STRING), PROCTIME()
FROM commands
WHERE op = 'erase' AND a_type IN ('email', 'phone');

-- The first sighting writes the entry, and each erasure deletes it, whether this job has written it or not; nothing
-- comes after an erasure. State is a number for each contact: an original would outlive its erasure there.
INSERT INTO vault_messages
SELECT CAST('{"type":"' || type || '","id":"' || id || '"}' AS BYTES), CAST(entry AS BYTES)
FROM (
  SELECT *, COUNT(*) OVER (
    PARTITION BY type, id ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS nth
  FROM news
)
WHERE nth = 1 OR entry IS NULL;
