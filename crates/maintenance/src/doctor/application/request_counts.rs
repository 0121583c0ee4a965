//! The kept numbers of requests.

use crate::doctor::check::{CheckSpec, Need, each};

/// While the old service shares the database, its writes are not counted, and the numbers are not read.
pub(super) const REQUEST_COUNTS: CheckSpec = each(
    "application.request-counts",
    "The kept numbers of requests differ from the table, so the totals of lists are wrong.",
    "SELECT 'critical', 'table RequestCount', count(*) || ' numbers differ from the table Request', NULL, NULL \
     FROM (SELECT FROM (SELECT \"tenantId\", status, count(*) AS n FROM \"Request\" WHERE NOT deleted GROUP BY 1, 2 \
         UNION ALL SELECT \"tenantId\", status, -sum(requests) FROM \"RequestCount\" GROUP BY 1, 2) AS b \
       GROUP BY \"tenantId\", status HAVING sum(n) <> 0) AS differing \
     WHERE (SELECT relforcerowsecurity FROM pg_class WHERE oid = to_regclass('public.\"RequestCount\"')) HAVING count(*) > 0",
    "SELECT 'critical', 'table RequestCount', count(*) || ' numbers differ from the table Request', \
       'DELETE FROM \"RequestCount\"; INSERT INTO \"RequestCount\" (\"tenantId\", status, requests) SELECT \"tenantId\", status, count(*) FROM \"Request\" WHERE NOT deleted GROUP BY 1, 2', \
       'the write lock for the time of a count' \
     FROM (SELECT 1 FROM (SELECT \"tenantId\", status, count(*) AS n FROM \"Request\" WHERE NOT deleted GROUP BY 1, 2 \
         UNION ALL SELECT \"tenantId\", status, -requests FROM \"RequestCount\") AS b \
       GROUP BY \"tenantId\", status HAVING sum(n) <> 0) AS differing HAVING count(*) > 0",
)
.healthy("the kept numbers of requests agree with the table")
.needs(&[Need::Table("RequestCount"), Need::EveryTenant])
.fix(
    "as the owner: SELECT public.rylie_recount_requests()",
    "SHARE UPDATE EXCLUSIVE on RequestCount; readers and writers continue",
);
