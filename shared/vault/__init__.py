"""What must be forgettable or secret: keys of persons, tokens. The ledger holds personal data only sealed with these keys."""

from shared.vault.principals import Principal, authenticate, hash_token
from shared.vault.sealing import ERASED, create_key, seal, unseal, unseal_all

__all__ = ["ERASED", "Principal", "authenticate", "create_key", "hash_token", "seal", "unseal", "unseal_all"]
