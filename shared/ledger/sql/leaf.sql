-- The leaf of one event: sha256(salt || every column, each with its length before it). The same bytes are built in
-- shared/ledger/chain.py; a stranger needs nothing else to check the chain. Lengths are 8 bytes, big-endian; numbers and times are text.
CREATE OR REPLACE FUNCTION ledger.leaf(
    salt bytea, "position" bigint, id uuid, stream text, version bigint, type text, schema_version integer,
    data text, metadata text, recorded_at timestamptz
) RETURNS bytea
LANGUAGE sql
STABLE -- to_char of a time is not immutable
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(salt || string_agg(int8send(length(column_bytes)) || column_bytes, ''::bytea ORDER BY number))
    FROM unnest(ARRAY[
        convert_to("position"::text, 'UTF8'), convert_to(id::text, 'UTF8'), convert_to(stream, 'UTF8'),
        convert_to(version::text, 'UTF8'), convert_to(type, 'UTF8'), convert_to(schema_version::text, 'UTF8'),
        convert_to(data, 'UTF8'), convert_to(metadata, 'UTF8'),
        convert_to(to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8')
    ]) WITH ORDINALITY AS columns (column_bytes, number)
$$;
