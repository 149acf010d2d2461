-- Which refused events would be accepted by the rules as they are configured now? Cleaned anew by clean_event.
SELECT reason AS refused_as, COALESCE(again.reason, '(accepted)') AS now, COUNT(*) AS events
FROM (SELECT reason, clean_event(`raw`, received_at, source_partition) AS again FROM events_rejected)
GROUP BY reason, again.reason
ORDER BY events DESC;
