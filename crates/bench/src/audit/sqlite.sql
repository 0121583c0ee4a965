INSERT INTO "AuditLog" (id, "tenantId", "userId", action, resource, "resourceId", details, "ipAddress", "userAgent", "correlationId")
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $RECORDS)
SELECT printf('0199f0c4-%04x-7%03x-8%03x-%012x', $ROUND, n * 2654435761 % 4096, n / 4096, n * 2654435761 % 4294967296 * 4096 + n % 4096),
    printf('cagency%018d', n % 200), printf('cuser%020d', n % 1000), 'REQUEST_STATUS_UPDATE', 'Request', printf('crequest%017d', n),
    json_object('changes', json_object('status', json_object('from', 'PENDING', 'to', 'IN_PROGRESS')),
        'reason', substr('because because because because because because because because because ', 1, 8 * (1 + n % 10)), 'amount', n / 7.0),
    printf('203.0.113.%d', n % 256), 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    printf('%016x%016x', n * 2654435761, n)
FROM numbers;
ANALYZE;
