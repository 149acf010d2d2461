-- Which identifiers have most links refused, and why? Shared tablets, e-mails of many logins, hubs.
SELECT identifier, reason, COUNT(*) AS links
FROM (SELECT a AS identifier, reason FROM refused UNION ALL SELECT b, reason FROM refused)
GROUP BY identifier, reason
ORDER BY links DESC, identifier, reason
LIMIT 20;
