-- Soft round ${round}: the least of an identifier's own label and of its neighbours'; a login's gets one hop more.
CREATE TEMPORARY VIEW labels_${previous} AS
SELECT node, MIN(label) AS label
FROM candidates_${previous}
GROUP BY node;

CREATE TEMPORARY VIEW candidates_${round} AS
SELECT node, label FROM labels_0
UNION ALL
SELECT
  neighbour AS node,
  CASE WHEN label < '1' THEN '0' || CAST(CAST(SUBSTRING(label FROM 2 FOR 1) AS INT) + 1 AS STRING) || SUBSTRING(label FROM 3)
    ELSE label END AS label
FROM soft_links JOIN labels_${previous} ON soft_links.node = labels_${previous}.node
WHERE label <> ''
UNION ALL
SELECT node, label FROM erased_labels;
