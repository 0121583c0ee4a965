-- Counts all requests, and adds the differences to the kept numbers. Table and numbers are read in one snapshot, so writers go on. Two
-- recounts would both add a difference, so the second waits.
DECLARE
    worker text := current_user;
    corrected bigint;
BEGIN
    $first
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE invalid_transaction_state USING MESSAGE = 'requests are recounted in a transaction of isolation level read committed only';
    END IF;
    IF row_security_active('public."Request"') OR row_security_active('public."RequestCount"') THEN
        PERFORM set_config('role', 'rylie_platform', true), set_config('row_security', 'on', true);
    END IF;
    $locks
    INSERT INTO public."RequestCount" ("tenantId", status, requests)
    SELECT "tenantId", status, least(greatest(sum(difference), -1000000000000), 1000000000000) FROM (
        SELECT "tenantId", status, count(*) AS difference FROM public."Request" WHERE NOT deleted GROUP BY 1, 2
        UNION ALL SELECT "tenantId", status, -sum(requests) FROM public."RequestCount" GROUP BY 1, 2) AS differences
    GROUP BY 1, 2 HAVING sum(difference) <> 0;
    GET DIAGNOSTICS corrected = ROW_COUNT;
    IF current_user <> worker THEN
        PERFORM set_config('role', worker, true);
    END IF;
