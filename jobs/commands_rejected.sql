INSERT INTO commands_rejected
SELECT c.reason, c.detail, received_at, topic, partition_id, offset_id, `value`
FROM parsed_commands
WHERE c.reason IS NOT NULL;
