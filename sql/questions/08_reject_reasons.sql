-- Why are events refused, how many, and when last?
SELECT reason, COUNT(*) AS events, MAX(detail) AS example, MAX(received_at) AS last_received
FROM events_rejected
GROUP BY reason
ORDER BY events DESC;
