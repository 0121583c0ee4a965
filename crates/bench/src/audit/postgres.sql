INSERT INTO "AuditLog" (id, "tenantId", "userId", action, resource, "resourceId", details, "ipAddress", "userAgent", "correlationId")
SELECT '0199f0c4-' || lpad(to_hex($ROUND), 4, '0') || '-7' || substr(md5('a' || n), 1, 3) || '-8' || substr(lpad(to_hex(n), 8, '0'), 1, 3)
    || '-' || substr(lpad(to_hex(n), 8, '0'), 4) || substr(md5('b' || n), 1, 7),
    'cagency' || lpad((n % 200)::text, 18, '0'), 'cuser' || lpad((n % 1000)::text, 20, '0'), 'REQUEST_STATUS_UPDATE', 'Request',
    'crequest' || lpad(n::text, 17, '0'),
    jsonb_build_object('changes', jsonb_build_object('status', jsonb_build_object('from', 'PENDING', 'to', 'IN_PROGRESS')),
        'reason', repeat('because ', (1 + n % 10)::int), 'amount', n / 7.0),
    '203.0.113.' || n % 256, 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', md5('c' || n)
FROM generate_series(1, $RECORDS) n;
ANALYZE;
