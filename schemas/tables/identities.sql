-- Which person each identifier belongs to now. Rows change when persons merge or part, and vanish when erased.
CREATE TABLE identities (
  type        STRING NOT NULL,               -- user_id, email, phone, device_id, anonymous_id
  id          STRING NOT NULL,               -- of e-mail and phone the pseudonym
  profile_id  STRING NOT NULL,
  decided_at  TIMESTAMP_LTZ(3) NOT NULL,     -- when this was last worked out
  PRIMARY KEY (type, id) NOT ENFORCED
)
