-- Appends events in order; the last statement of the caller's transaction, which must be READ COMMITTED.
--
-- Order. The row of ledger.head is locked first and positions are drawn after it, so whoever holds the lock commits before
-- the next one draws: positions are dense and in commit order, and one bigint is a complete checkpoint. A sequence instead
-- would let a later position commit first, and a reader who asks for `position > cursor` would lose the earlier one.
--
-- expected_versions: null appends at whatever version the stream has; n demands that the stream now ends at version n (0: it
-- does not exist). Errors: PL001 the stream has moved on; PL002 this role may not append this type; 23505 an id is there
-- already; 55P03 the lock was not free within lock_timeout: the caller may try again.
CREATE OR REPLACE FUNCTION ledger.append(
    ids uuid[],
    streams text[],
    expected_versions bigint[],
    types text[],
    schema_versions integer[],
    data text[],
    metadata text[]
) RETURNS TABLE (new_position bigint, new_version bigint, new_recorded_at timestamptz)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
    current ledger.head%ROWTYPE;
    forbidden text;
    new_salt bytea;
BEGIN
    SELECT t INTO forbidden FROM unnest(types) AS t
    WHERE NOT EXISTS (SELECT FROM ledger.appenders a WHERE a.role = session_user AND a.type = t) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'role % may not append %', session_user, forbidden USING ERRCODE = 'PL002';
    END IF;

    SELECT * INTO STRICT current FROM ledger.head FOR UPDATE;
    -- The clock is read after the lock, so that a deadline compared with it can't be passed while waiting; and it never goes back.
    current.recorded_at := greatest(clock_timestamp(), current.recorded_at);

    FOR i IN 1 .. cardinality(ids) LOOP
        SELECT coalesce(max(e.version), 0) INTO new_version FROM ledger.events e WHERE e.stream = streams[i];
        IF expected_versions[i] <> new_version THEN
            RAISE EXCEPTION 'stream % is at version %, not %', streams[i], new_version, expected_versions[i]
                USING ERRCODE = 'PL001';
        END IF;
        new_version := new_version + 1;
        new_position := current.position + 1;
        new_recorded_at := current.recorded_at;
        new_salt := uuid_send(gen_random_uuid());
        current.position := new_position;
        current.hash := sha256(current.hash || ledger.leaf(
            new_salt, new_position, ids[i], streams[i], new_version, types[i], schema_versions[i], data[i], metadata[i], new_recorded_at
        ));
        INSERT INTO ledger.events
        VALUES (new_position, ids[i], streams[i], new_version, types[i], schema_versions[i], data[i], metadata[i],
                new_recorded_at, new_salt, current.hash);
        RETURN NEXT;
    END LOOP;

    UPDATE ledger.head SET position = current.position, hash = current.hash, recorded_at = current.recorded_at;
    PERFORM pg_notify('ledger', current.position::text);
END
$$;
