-- The best items that a person has not seen: those related to the ones that it saw last. By subject first, then by person.
CREATE TEMPORARY VIEW subject_items AS
SELECT /*+ STATE_TTL('seen' = '${remembered}') */
  subject_type, subject_id, item, MAX(event_ms) AS last_ms
FROM seen_items AS seen
GROUP BY subject_type, subject_id, item;

CREATE TEMPORARY VIEW owned_items AS
SELECT /*+ STATE_TTL('subject' = '${remembered}') */
  profile_id, item, last_ms, SUBSTRING(profile_id FROM 2 FOR 2) AS share, last_ms / ${period_ms} AS nth_period
FROM subject_items AS subject
JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id;

CREATE TEMPORARY VIEW person_items AS
SELECT /*+ STATE_TTL('owned' = '${remembered}') */
  profile_id, item, last_ms
FROM owned_items AS owned
JOIN present ON owned.share = present.share
WHERE owned.nth_period > present.nth_period - ${periods};

-- What is related to an item, read back from dmp.related_items. Grouping sends on only what is news: support and lift change
-- more often than the ranking. The item is put together anew, or the planner would take the grouping for superfluous.
CREATE TEMPORARY VIEW suggestions AS
SELECT SUBSTRING(name FROM 2) AS item, MAX(related) AS related
FROM (
  SELECT
    'i' || item AS name,
    ARRAY_JOIN(related, U&'\001D') || U&'\001F' || ARRAY_JOIN(CAST(scores AS ARRAY<STRING>), U&'\001D') AS related
  FROM related_items
)
GROUP BY name;

-- An item that has nothing related is related to nothing, and need not be known. Whoever has seen more than
-- ${person_items} items is no customer.
CREATE TEMPORARY VIEW recommended AS
SELECT profile_id, recommend_items(CAST(memories AS STRING)) AS r
FROM (
  SELECT
    profile_id,
    COUNT(*) AS items,
    COLLECT(U&'\001E' || seen.item || U&'\001F' || CAST(last_ms AS STRING) || U&'\001F' || related || U&'\001E') AS memories
  FROM person_items AS seen
  JOIN suggestions AS suggestion ON seen.item = suggestion.item
  GROUP BY profile_id
)
WHERE items <= ${person_items};

INSERT INTO recommendations
SELECT profile_id, r.items, r.scores, r.because_of, CURRENT_ROW_TIMESTAMP()
FROM recommended
WHERE CARDINALITY(r.items) > 0;
