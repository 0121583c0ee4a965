-- Rights that the adoption meets, each as a JSON document: default privileges that would open new tables, transactions that
-- were prepared and not ended, and whether the login sees other logins' transactions.
SELECT json_build_object(
    'id', 'default-privileges', 'blocking', false,
    'detail', format('default privileges of %s give %s on new %s to %s; the adoption takes these rights back on our own %s, and leaves the others',
        d.defaclrole::regrole, string_agg(DISTINCT e.privilege_type, ', ' ORDER BY e.privilege_type),
        CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' ELSE 'functions' END,
        CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END,
        CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' ELSE 'functions' END),
    'fix', 'nothing; `rylie roles check` lists what is left'
)::text
FROM pg_default_acl d, aclexplode(d.defaclacl) e
WHERE d.defaclobjtype IN ('r', 'S', 'f') AND d.defaclnamespace IN (0, 'public'::regnamespace) AND e.grantee <> d.defaclrole
AND NOT (e.grantee <> 0 AND e.grantee::regrole::text ~ '^rylie_(tenant|identity|platform|doors|sealer|auditor)$')
AND NOT (d.defaclobjtype = 'f' AND e.grantee = 0)
GROUP BY d.defaclrole, d.defaclobjtype, e.grantee
UNION ALL
SELECT json_build_object(
    'id', 'prepared-transaction', 'blocking', false,
    'detail', format('the prepared transaction %s of %s is %s s old; index builds wait for its end', quote_literal(gid), owner,
        greatest(0, extract(epoch FROM clock_timestamp() - prepared))::bigint),
    'fix', format('end it: `COMMIT PREPARED %s` or `ROLLBACK PREPARED %s`', quote_literal(gid), quote_literal(gid))
)::text
FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT json_build_object(
    'id', 'visibility', 'blocking', false,
    'detail', 'this login does not see the state of other logins'' sessions, so a blocking transaction is named without its age',
    'fix', format('run `GRANT pg_read_all_stats TO %I`', session_user)
)::text
WHERE NOT pg_has_role(session_user, 'pg_read_all_stats', 'USAGE')
