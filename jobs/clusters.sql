-- Each profile with the model in use. The model comes in 256 copies, so that not one subtask has all the work; a new one
-- scores everyone anew.
CREATE TEMPORARY VIEW profile_features AS
SELECT SUBSTRING(profile_id FROM 2 FOR 2) AS share, profile_id, ${features}
FROM profiles AS profile;

CREATE TEMPORARY VIEW model_copies AS
SELECT share, document
FROM (SELECT document, '${shares}' AS shares FROM cluster_models)
CROSS JOIN UNNEST(SPLIT(shares, ' ')) AS listed (share);

CREATE TEMPORARY VIEW placed AS
SELECT profile_id, score_profile(document, ${names}) AS s
FROM profile_features AS profile
JOIN model_copies AS model ON profile.share = model.share;

INSERT INTO clusters
SELECT profile_id, cluster, model, CURRENT_ROW_TIMESTAMP()
FROM (SELECT profile_id, MAX(s.cluster) AS cluster, MAX(s.model) AS model
  FROM placed
  WHERE s.model IS NOT NULL
  GROUP BY profile_id
);
