INSERT INTO commands_rejected
SELECT c.reason, c.detail, received_at, topic, partition_id, offset_id, ${kept_bytes}
FROM parsed_commands
WHERE c.reason IS NOT NULL;
