"""The web pages: a client of the HTTP APIs like any other. Owns no data, holds no credentials but the visitor's own cookie."""
