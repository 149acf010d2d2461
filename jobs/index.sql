-- Every result message goes to Elasticsearch in the batches of one Python function; what is refused stays here.
CREATE TEMPORARY VIEW indexed AS
SELECT *, index_document(topic, partition_id, offset_id, `key`, `value`) AS answer
FROM results;

INSERT INTO index_rejected
SELECT
  topic, partition_id, offset_id,
  answer.document_id, answer.status, answer.reason, answer.detail,
  CURRENT_ROW_TIMESTAMP(), ${kept_bytes}
FROM indexed
WHERE answer.reason IS NOT NULL;
