-- Which person each identifier belongs to, and which links are refused, now.
INSERT INTO identities
SELECT type, id, profile_id, CURRENT_ROW_TIMESTAMP()
FROM stitched;

-- Each link is one row; grouping only tells the planner. (Not as MAX: see erased_labels.)
INSERT INTO refused
SELECT a, b, LAST_VALUE(reason), CURRENT_ROW_TIMESTAMP()
FROM (SELECT a_type || ':' || a_id AS a, b_type || ':' || b_id AS b, reason FROM refused_links)
GROUP BY a, b;
