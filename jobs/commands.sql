-- Every message with what it says (column c).
CREATE TEMPORARY VIEW parsed_commands AS
SELECT *, parse_command(`value`) AS c
FROM commands_raw;

CREATE TEMPORARY VIEW commands AS
SELECT c.command_ms, c.op, c.a_type, c.a_id, c.b_type, c.b_id
FROM parsed_commands
WHERE c.reason IS NULL;

-- Identifiers that are suppressed for good.
CREATE TEMPORARY VIEW erased AS
SELECT DISTINCT a_type AS type, a_id AS id
FROM commands
WHERE op = 'erase';
