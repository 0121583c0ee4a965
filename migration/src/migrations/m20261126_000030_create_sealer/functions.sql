-- Removes the records of a sealed batch; its checkpoint and its tenants' counts stay. Refuses what the newest checkpoint does not declare
-- as removed, and one that is not written as a checkpoint, stands in another row than its own, or does not name the digest of the
-- checkpoint before it. No server has Ed25519 of its own, so the signature is for `rylie audit verify` to check.
--
-- The setting holds for the transaction, so it is emptied before the end; an error undoes it with everything else.
CREATE OR REPLACE FUNCTION public.rylie_audit_remove_batch(removing bigint, removed timestamp) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET row_security = on AS $$
DECLARE
    gone bigint;
    sealed bigint := (SELECT b.records FROM rylie_audit_batch b WHERE b.batch = removing AND b.removed_at IS NULL);
    newest rylie_audit_batch := (SELECT b FROM rylie_audit_batch b ORDER BY b.batch DESC LIMIT 1);
    before text := (SELECT b.checkpoint FROM rylie_audit_batch b WHERE b.batch = newest.batch - 1);
    -- Its number, what it declares as removed, and the digest of the one before.
    says text[] := regexp_match(newest.checkpoint, '^rylie audit checkpoint [0-9]+\ndatabase [^\n]+\nbatch ([0-9]{1,18})\ntime [^\n]+\n'
        'records [0-9]+\ntotal [0-9]+\ntenants [0-9]+\nremoved ([0-9]{1,18})\nroot [0-9a-f]{64}\nprevious ([0-9a-f]{64})\n'
        'key ed25519:[A-Za-z0-9_-]{43}\nsignature [A-Za-z0-9+/]{86}==\n$');
    signed text := substring(before, '^(.*\n)signature [^\n]*\n$');
BEGIN
    IF says IS NULL OR says[1]::bigint <> newest.batch OR says[2]::bigint >= newest.batch OR newest.batch > 1 AND says[3] IS DISTINCT FROM
        encode(sha256(convert_to(signed, 'UTF8')), 'hex') THEN
        RAISE insufficient_privilege USING MESSAGE = 'the newest checkpoint is none, or does not follow the one before: verify the log first';
    ELSIF removing > says[2]::bigint THEN
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
