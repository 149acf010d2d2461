-- Which items are in baskets together. A basket is what a person saw within half an hour of the clock: an order is in one
-- whole, and of a session no event has to wait for another. By subject first, then by person, as in profiles.sql.
-- State is kept twice as long as a basket counts.
CREATE TEMPORARY VIEW subject_baskets AS
SELECT /*+ STATE_TTL('seen' = '${remembered}') */
  subject_type, subject_id, half_hour,
  LISTAGG(DISTINCT item, U&'\001F') AS items
FROM (SELECT subject_type, subject_id, event_ms / 1800000 AS half_hour, item FROM seen_items) AS seen
GROUP BY subject_type, subject_id, half_hour;

CREATE TEMPORARY VIEW owned_baskets AS
SELECT /*+ STATE_TTL('subject' = '${remembered}') */
  profile_id, half_hour, items
FROM subject_baskets AS subject
JOIN persons AS person ON subject.subject_type = person.type AND subject.subject_id = person.id;

CREATE TEMPORARY VIEW baskets AS
SELECT /*+ STATE_TTL('owned' = '${remembered}') */
  SUBSTRING(profile_id FROM 2 FOR 2) AS share,
  half_hour * 1800000 / ${period_ms} AS nth_period,
  LISTAGG(items, U&'\001F') AS items
FROM owned_baskets AS owned
GROUP BY profile_id, half_hour;

-- A basket counts half as much as one of the period that follows it: halves of halves are exact in a DOUBLE, so that sums are
-- the same in any order. The shop itself is an item of each basket, ''. What has more than ${basket_items} items is no basket.
CREATE TEMPORARY VIEW weighed_baskets AS
SELECT * FROM (
  SELECT /*+ STATE_TTL('basket' = '${remembered}') */
    ARRAY_DISTINCT(SPLIT(U&'\001F' || items, U&'\001F')) AS items,
    POWER(CAST(0.5 AS DOUBLE), GREATEST(present.nth_period - basket.nth_period, 0)) AS weight
  FROM baskets AS basket
  JOIN present ON basket.share = present.share
  WHERE basket.nth_period > present.nth_period - ${periods}
)
WHERE CARDINALITY(items) <= ${basket_items} + 1;

-- In how many baskets two items are together: an item and the shop, in how many it is at all; the shop and itself, how many
-- there are.
CREATE TEMPORARY VIEW pairs AS
SELECT item, other, SUM(weight) AS support
FROM weighed_baskets
CROSS JOIN UNNEST(items) AS this_one (item)
CROSS JOIN UNNEST(items) AS other_one (other)
WHERE other = '' OR item <> '' AND item <> other
GROUP BY item, other;

CREATE TEMPORARY VIEW alone AS
SELECT item, support
FROM pairs
WHERE other = '';

-- All that was with an item is one value of one row, which is ranked in one go: a Top-N would send on each step of each
-- neighbour, see docs/decisions.md.
CREATE TEMPORARY VIEW ranked AS
SELECT item, relate_items(CAST(neighbours AS STRING)) AS r
FROM (
  SELECT
    pair.item,
    COLLECT(
      U&'\001E' || other || U&'\001F' || CAST(pair.support AS STRING) || U&'\001F' || CAST(alone.support AS STRING) || U&'\001E'
    ) AS neighbours
  FROM pairs AS pair
  JOIN alone ON pair.other = alone.item
  WHERE pair.item <> ''
  GROUP BY pair.item
);

INSERT INTO related_items
SELECT item, r.support, r.items, r.scores, r.supports, r.lifts, CURRENT_ROW_TIMESTAMP()
FROM ranked
WHERE CARDINALITY(r.items) > 0;
