-- What may those like who have consented to marketing? The best items of each, and what it is because of.
-- param places = 3: how many items of each person
SELECT
  recommendation.profile_id, COALESCE(profile.email, profile.phone) AS contact, place, item,
  recommendation.scores[place] AS score, recommendation.because_of[place] AS because_of
FROM recommendations AS recommendation
CROSS JOIN UNNEST(recommendation.items) WITH ORDINALITY AS named (item, place)
JOIN segments AS segment ON recommendation.profile_id = segment.profile_id
JOIN profiles AS profile ON recommendation.profile_id = profile.profile_id
WHERE segment.segment = 'marketing_consented' AND place <= CAST(${places} AS INT)
ORDER BY recommendation.profile_id, place;
