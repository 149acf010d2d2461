-- Which person each identifier belongs to, and which links are refused, now.
INSERT INTO identities
SELECT type, id, profile_id, CURRENT_ROW_TIMESTAMP()
FROM stitched;

INSERT INTO refused
SELECT a, b, MAX(reason), CURRENT_ROW_TIMESTAMP()
FROM (SELECT a_type || ':' || a_id AS a, b_type || ':' || b_id AS b, reason FROM refused_links)
GROUP BY a, b;
