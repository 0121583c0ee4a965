-- Removes the records of every batch up to `removing` that has some; the checkpoints and the tenants' counts stay. Returns the number of
-- records. The newest checkpoint must declare the removal, and each checkpoint from the first removed batch on must stand in its own row
-- and name the digest of the one before, whose digest is computed from its text. No server has Ed25519 of its own, so the signatures are
-- for `rylie audit verify` to check.
--
-- The setting holds for the transaction, so it is emptied before the end; an error undoes it with everything else.
CREATE OR REPLACE FUNCTION public.rylie_audit_remove_batch(removing bigint, removed timestamp) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET row_security = on AS $$
DECLARE
    gone bigint;
    total bigint := 0;
    removable rylie_audit_batch;
    first bigint := (SELECT min(b.batch) FROM rylie_audit_batch b WHERE b.removed_at IS NULL);
    newest rylie_audit_batch := (SELECT b FROM rylie_audit_batch b ORDER BY b.batch DESC LIMIT 1);
    -- Its number, and what it declares as removed.
    says text[] := regexp_match(newest.checkpoint, '^rylie audit checkpoint [0-9]+\ndatabase [^\n]+\nbatch ([0-9]{1,18})\ntime [^\n]+\n'
        'records [0-9]+\ntotal [0-9]+\ntenants [0-9]+\nremoved ([0-9]{1,18})\nroot [0-9a-f]{64}\nprevious [0-9a-f]{64}\n'
        'key ed25519:[A-Za-z0-9_-]{43}\nsignature [A-Za-z0-9+/]{86}==\n$');
    broken bigint;
BEGIN
    IF says IS NULL OR says[1]::bigint <> newest.batch OR says[2]::bigint >= newest.batch THEN
        RAISE insufficient_privilege USING MESSAGE = 'the newest checkpoint is none, or does not follow the one before: verify the log first';
    ELSIF removing > says[2]::bigint THEN
        RAISE insufficient_privilege USING MESSAGE = 'no signed checkpoint declares the batch as removed: run rylie maintain audit';
    ELSIF NOT EXISTS (SELECT FROM rylie_audit_batch b WHERE b.batch = removing AND b.removed_at IS NULL) THEN
        RAISE data_exception USING MESSAGE = 'the batch does not hold what was sealed: verify the log first';
    END IF;
    -- A signature has 86 letters, so the last 99 characters are its line. Its own texts are not searched by a regular expression: there
    -- may be hundreds of thousands.
    broken := (SELECT min(b.batch) FROM rylie_audit_batch b LEFT JOIN rylie_audit_batch p ON p.batch = b.batch - 1
    WHERE b.batch >= first AND b.batch > 1 AND (p.batch IS NULL
        OR split_part(split_part(b.checkpoint, E'\nbatch ', 2), E'\n', 1) <> b.batch::text
        OR split_part(split_part(b.checkpoint, E'\nprevious ', 2), E'\n', 1)
            <> encode(sha256(convert_to(left(p.checkpoint, -99), 'UTF8')), 'hex')));
    IF broken IS NOT NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'the newest checkpoint is none, or does not follow the one before: verify the log first',
            DETAIL = format('The checkpoint of batch %s does not follow the one before.', broken);
    END IF;
    PERFORM set_config('rylie.audit_keeper', 'retention', true);
    FOR removable IN SELECT * FROM rylie_audit_batch b WHERE b.batch BETWEEN first AND removing AND b.removed_at IS NULL ORDER BY b.batch LOOP
        DELETE FROM "AuditLog" a USING rylie_audit_leaf l WHERE l.batch = removable.batch AND a.id = l.record_id;
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone IS DISTINCT FROM removable.records THEN
            RAISE data_exception USING MESSAGE = 'the batch does not hold what was sealed: verify the log first';
        END IF;
        DELETE FROM rylie_audit_leaf l WHERE l.batch = removable.batch;
        UPDATE rylie_audit_batch b SET removed_at = removed WHERE b.batch = removable.batch;
        total := total + gone;
    END LOOP;
    PERFORM set_config('rylie.audit_keeper', '', true);
    RETURN total;
END $$
