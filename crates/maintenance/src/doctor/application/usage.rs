//! Counted usage, quotas and rows to remove.

use crate::doctor::check::{CheckSpec, Need, both};

pub(super) const QUOTAS: CheckSpec = both(
    "application.quotas",
    "Users have used more than their package allows.",
    "SELECT CASE WHEN below > 0 THEN 'critical' WHEN above > 0 THEN 'warning' ELSE 'ok' END, 'table User', above || ' users are above a quota, ' || below || ' have a negative count', NULL, NULL \
     FROM (SELECT coalesce(sum(CASE WHEN \"pagesUsedThisPeriod\" > {quota pages} OR \"blogsUsedThisPeriod\" > {quota blogs} OR \"gbpPostsUsedThisPeriod\" > {quota gbpPosts} \
           OR \"improvementsUsedThisPeriod\" > {quota improvements} THEN 1 ELSE 0 END), 0) AS above, \
         coalesce(sum(CASE WHEN \"pagesUsedThisPeriod\" < 0 OR \"blogsUsedThisPeriod\" < 0 OR \"gbpPostsUsedThisPeriod\" < 0 OR \"improvementsUsedThisPeriod\" < 0 THEN 1 ELSE 0 END), 0) AS below FROM \"User\") AS q",
)
.healthy("no user is above a quota")
.needs(&[Need::Table("User"), Need::EveryTenant])
.fix("compare the quota settings with the packages sold; `rylie audit list` shows changes of the users", "none");

/// A counter below its events means that a use was lost. A counter above them is normal: the old service, and the time
/// before the events, counted without.
pub(super) const COUNTERS: CheckSpec = both(
    "application.usage-counters",
    "A user's counter is below the counted events of the period, so uses were lost or removed.",
    "SELECT 'critical', 'table User', count(*) || ' counters are below the events of their period', NULL, NULL \
     FROM (SELECT u.id, e.kind, count(*) AS events, max(CASE CAST(e.kind AS text) WHEN 'PAGE' THEN u.\"pagesUsedThisPeriod\" WHEN 'BLOG' THEN u.\"blogsUsedThisPeriod\" WHEN 'GBP_POST' THEN u.\"gbpPostsUsedThisPeriod\" \
         ELSE u.\"improvementsUsedThisPeriod\" END) AS counted \
       FROM \"UsageEvent\" e JOIN \"User\" u ON u.id = e.\"userId\" WHERE e.\"countedAt\" >= u.\"currentBillingPeriodStart\" AND e.\"countedAt\" >= {ago 60} AND u.\"currentBillingPeriodEnd\" > {now} GROUP BY u.id, e.kind) AS p \
     WHERE events > counted HAVING count(*) > 0",
)
.healthy("no counter is below the events of its period")
.needs(&[Need::Table("UsageEvent"), Need::EveryTenant])
.fix("restore the counters from the events, per user", "ROW EXCLUSIVE on their rows");

pub(super) const ARCHIVE: CheckSpec = both(
    "application.usage-archive",
    "The archive of usage does not agree with the counted events, or has impossible values.",
    "SELECT 'critical', 'table MonthlyUsage', count(*) || ' rows have an impossible month or a negative count', NULL, NULL FROM \"MonthlyUsage\" \
       WHERE month NOT BETWEEN 1 AND 12 OR year NOT BETWEEN 2000 AND 9999 OR \"pagesUsed\" < 0 OR \"blogsUsed\" < 0 OR \"gbpPostsUsed\" < 0 OR \"improvementsUsed\" < 0 HAVING count(*) > 0 \
     UNION ALL SELECT 'critical', 'table MonthlyUsage', count(*) || ' users have fewer uses in archive and counters than counted events', NULL, NULL \
     FROM (SELECT u.id, count(*) AS events, max(u.\"pagesUsedThisPeriod\" + u.\"blogsUsedThisPeriod\" + u.\"gbpPostsUsedThisPeriod\" + u.\"improvementsUsedThisPeriod\") AS counted, \
         max(coalesce((SELECT sum(m.\"pagesUsed\" + m.\"blogsUsed\" + m.\"gbpPostsUsed\" + m.\"improvementsUsed\") FROM \"MonthlyUsage\" m WHERE m.\"userId\" = u.id AND m.\"archivedAt\" >= {ago 60}), 0)) AS archived \
       FROM \"UsageEvent\" e JOIN \"User\" u ON u.id = e.\"userId\" WHERE e.\"countedAt\" >= {ago 60} AND u.\"currentBillingPeriodStart\" IS NOT NULL GROUP BY u.id) AS p \
     WHERE events > counted + archived HAVING count(*) > 0",
)
.healthy("the archive holds at least the counted events")
.needs(&[Need::Table("MonthlyUsage"), Need::Table("UsageEvent"), Need::EveryTenant])
.fix("compare with the newest backup; correct the rows of the archive", "ROW EXCLUSIVE on their rows");

pub(super) const OPEN_PERIODS: CheckSpec = both(
    "application.usage-periods",
    "Billing periods have ended and are not archived, so the job `usage` does not run.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'job usage', n || ' periods ended more than two days ago and are open', 'rylie maintain usage', 'ROW EXCLUSIVE, in batches' \
     FROM (SELECT count(*) AS n FROM \"User\" WHERE \"activePackageType\" IS NOT NULL AND \"currentBillingPeriodEnd\" < {ago 2}) AS o",
)
.limits(1.0, 1_000_000.0, "periods")
.needs(&[Need::Table("User"), Need::EveryTenant])
.warns()
.fix("rylie maintain usage", "ROW EXCLUSIVE, in batches");

pub(super) const PURGE: CheckSpec = both(
    "application.purge-backlog",
    "Soft-deleted rows are not removed, so the job `purge` does not run.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'job purge', n || CASE WHEN n >= 10000 THEN ' or more' ELSE '' END || ' rows were deleted more than 60 days ago', \
       'rylie maintain purge', 'ROW EXCLUSIVE, in batches' \
     FROM (SELECT (SELECT count(*) FROM (SELECT 1 FROM \"Request\" WHERE deleted AND \"deletedAt\" < {ago 60} LIMIT 10000) AS r) \
       + (SELECT count(*) FROM (SELECT 1 FROM \"Task\" WHERE deleted AND \"deletedAt\" < {ago 60} LIMIT 10000) AS t) AS n) AS d",
)
.limits(1.0, 1_000_000.0, "rows")
.needs(&[Need::Table("Request"), Need::EveryTenant])
.warns()
.fix("rylie maintain purge", "ROW EXCLUSIVE, in batches");
