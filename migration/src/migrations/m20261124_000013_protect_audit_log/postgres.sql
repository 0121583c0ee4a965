-- Refuses, except in the two functions below.
CREATE OR REPLACE FUNCTION public.rylie_audit_append_only() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('rylie.audit_keeper', true) = 'retention' THEN
        RETURN OLD;
    ELSIF TG_OP = 'UPDATE' AND current_setting('rylie.audit_keeper', true) IN ('retention', 'erasure') THEN
        RETURN NEW;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = format('the audit log is only added to: %s on %s is refused', TG_OP, TG_TABLE_NAME),
        HINT = 'rylie maintain audit removes old batches, rylie audit erase the personal parts of records';
END $$
-- statement
-- Removes the records of a sealed batch; its checkpoint and its tenants' counts stay. Refuses what the last checkpoint does not declare
-- as removed: that takes the signing key, and a checkpoint forged for it is what `rylie audit verify` names.
--
-- The setting is made within and not as a part of the function: only a superuser may attach one of ours. It holds for the transaction,
-- so it is emptied before the end; an error undoes it with everything else, in a savepoint as well. Alone it gives nobody a right: the
-- doors' roles may not update, delete or truncate, whatever they set. The tables' owner can set it and delete, as an owner can drop the
-- triggers: what an owner does is not prevented, `rylie audit verify` names it.
CREATE OR REPLACE FUNCTION public.rylie_audit_remove_batch(removing bigint, removed timestamp) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET row_security = on AS $$
DECLARE
    gone bigint;
    sealed bigint := (SELECT b.records FROM rylie_audit_batch b WHERE b.batch = removing AND b.removed_at IS NULL);
    declared bigint := (SELECT substring(b.checkpoint, '\nremoved ([0-9]+)\n')::bigint FROM rylie_audit_batch b ORDER BY b.batch DESC LIMIT 1);
BEGIN
    IF removing > coalesce(declared, 0) THEN
        RAISE insufficient_privilege USING MESSAGE = 'no signed checkpoint declares the batch as removed: run rylie maintain audit';
    END IF;
    PERFORM set_config('rylie.audit_keeper', 'retention', true);
    DELETE FROM "AuditLog" a USING rylie_audit_leaf l WHERE l.batch = removing AND a.id = l.record_id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone IS DISTINCT FROM sealed THEN
        RAISE data_exception USING MESSAGE = 'the batch does not hold what was sealed: verify the log first';
    END IF;
    DELETE FROM rylie_audit_leaf l WHERE l.batch = removing;
    UPDATE rylie_audit_batch b SET removed_at = removed WHERE b.batch = removing;
    PERFORM set_config('rylie.audit_keeper', '', true);
    RETURN gone;
END $$
-- statement
-- Erases one part of a sealed record, `who` or `what`, with its salt; the commitment stays.
CREATE OR REPLACE FUNCTION public.rylie_audit_erase(record text, part text, commitment bytea) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET row_security = on AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM set_config('rylie.audit_keeper', 'erasure', true);
    IF part = 'who' THEN
        UPDATE rylie_audit_leaf l SET who = commitment, who_salt = NULL WHERE l.record_id = record AND l.who IS NULL;
        GET DIAGNOSTICS erased = ROW_COUNT;
        UPDATE "AuditLog" a SET "userId" = 'erased', "onBehalfOf" = NULL, "ipAddress" = NULL, "userAgent" = NULL, "correlationId" = NULL
        WHERE a.id = record AND erased = 1;
    ELSIF part = 'what' THEN
        UPDATE rylie_audit_leaf l SET what = commitment, what_salt = NULL WHERE l.record_id = record AND l.what IS NULL;
        GET DIAGNOSTICS erased = ROW_COUNT;
        UPDATE "AuditLog" a SET "resourceId" = NULL, details = NULL WHERE a.id = record AND erased = 1;
    END IF;
    PERFORM set_config('rylie.audit_keeper', '', true);
    RETURN coalesce(erased, 0);
END $$
-- statement
-- Whether ordinary events are recorded: the one thing of the settings that every door may know.
CREATE OR REPLACE FUNCTION public.rylie_audit_logging() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
SELECT coalesce((SELECT "auditLogging" FROM "SystemSettings" WHERE id = 'default'), true)
$$
-- statement
REVOKE ALL ON FUNCTION public.rylie_audit_remove_batch(bigint, timestamp), public.rylie_audit_erase(text, text, bytea) FROM PUBLIC
