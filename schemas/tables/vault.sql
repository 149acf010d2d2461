-- The original of each e-mail and phone, encrypted: nobody's without a vault key, and gone when erased.
CREATE TABLE vault (
  type    STRING NOT NULL,     -- email, phone
  id      STRING NOT NULL,     -- the pseudonym
  key_id  STRING NOT NULL,     -- of the vault key that the original is under
  sealed  STRING NOT NULL,     -- base64 of nonce, ciphertext and tag: AES-256-GCM, with type and id authenticated
  PRIMARY KEY (type, id) NOT ENFORCED
)
