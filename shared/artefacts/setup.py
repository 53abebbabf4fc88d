"""`python -m shared.artefacts.setup`: make the buckets, with a key that may. A second run changes nothing."""

from shared.artefacts.store import Bucket, Store
from shared.settings import StoreSettings


def main() -> None:
    """Make every bucket that is missing, in the store that PALIO_S3_ENDPOINT names."""
    store = Store(StoreSettings())
    for bucket in Bucket:
        store.create_bucket(bucket)


if __name__ == "__main__":
    main()
