-- Items that people looked at, put into a cart or a list, or ordered: the event's own and those of its `products`. An item
-- goes by its product_id, or by its sku without one; what is no name, by its length or its characters, is left out, and so
-- are bots.
CREATE TEMPORARY VIEW seen_items AS
SELECT subject_type, subject_id, event_ms, item
FROM (
  SELECT
    subject_type, subject_id, event_ms,
    TRIM(COALESCE(JSON_VALUE(product, '$$.product_id'), JSON_VALUE(product, '$$.sku'))) AS item
  FROM events
  CROSS JOIN UNNEST(COALESCE(
    ARRAY_APPEND(JSON_QUERY(properties, '$$.products[*]' RETURNING ARRAY<STRING>), properties), ARRAY[properties]
  )) AS told (product)
  WHERE subject_id IS NOT NULL AND NOT bot AND event IN (
    'Product Viewed', 'Product Added', 'Product Added to Wishlist', 'Checkout Started', 'Order Completed'
  )
)
WHERE CHAR_LENGTH(item) BETWEEN 1 AND 200 AND NOT REGEXP(item, '[\x00-\x1f]|^[\[{]');

-- Which period it is, for each share of the persons (the first two digits of their ids). It changes once in a period, and
-- with it how much what lies behind still counts.
CREATE TEMPORARY VIEW present AS
SELECT share, MAX(nth_period) AS nth_period
FROM (SELECT nth_period, '${shares}' AS shares FROM (SELECT DISTINCT now_ms / ${period_ms} AS nth_period FROM ticks))
CROSS JOIN UNNEST(SPLIT(shares, ' ')) AS listed (share)
GROUP BY share;
