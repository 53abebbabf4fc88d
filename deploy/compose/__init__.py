"""What compose.yaml runs once before the services: buckets and users of the object store; and the making of its secrets."""
