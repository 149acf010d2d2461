-- ... within ${round} links.
CREATE TEMPORARY VIEW joined_${round} AS
SELECT node, least
FROM (
  SELECT
    login_links.other AS node, joined_${previous}.least,
    ROW_NUMBER() OVER (PARTITION BY login_links.other ORDER BY joined_${previous}.least) AS place
  FROM login_links JOIN joined_${previous} ON login_links.node = joined_${previous}.node
)
WHERE place = 1;
