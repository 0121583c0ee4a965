//! Sessions and tokens.

use crate::doctor::check::{CheckSpec, Need, both};

pub(super) const EXPIRED: CheckSpec = both(
    "application.expired-sessions",
    "Expired sessions are not removed, so the job `sessions` does not run.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'job sessions', n || CASE WHEN n = 100000 THEN ' or more' ELSE '' END || ' sessions expired more than a day ago', \
       'rylie maintain sessions', 'ROW EXCLUSIVE, in batches' FROM (SELECT count(*) AS n FROM (SELECT 1 FROM \"Session\" WHERE expires < {ago 1} LIMIT 100000) AS l) AS e",
)
.limits(1.0, 100_000.0, "sessions")
.needs(&[Need::Table("Session"), Need::EveryTenant])
.fix("rylie maintain sessions", "ROW EXCLUSIVE, in batches");

pub(super) const EXPIRED_TOKENS: CheckSpec = both(
    "application.expired-tokens",
    "Expired one-time tokens are not removed, so the job `sessions` does not run.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'job sessions', n || CASE WHEN n = 100000 THEN ' or more' ELSE '' END || ' tokens expired more than a day ago', \
       'rylie maintain sessions', 'ROW EXCLUSIVE, in batches' FROM (SELECT count(*) AS n FROM (SELECT 1 FROM \"VerificationToken\" WHERE expires < {ago 1} LIMIT 100000) AS l) AS e",
)
.limits(1.0, 100_000.0, "tokens")
.needs(&[Need::Table("VerificationToken"), Need::EveryTenant])
.fix("rylie maintain sessions", "ROW EXCLUSIVE, in batches");

pub(super) const INACTIVE_USERS: CheckSpec = both(
    "application.inactive-users",
    "Users who were inactive for half a year have live sessions, which an attacker could use.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'table Session', n || ' users without a change for 180 days have live sessions', NULL, NULL \
     FROM (SELECT count(*) AS n FROM \"User\" u WHERE u.\"updatedAt\" < {ago 180} AND u.\"createdAt\" < {ago 180} AND EXISTS (SELECT 1 FROM \"Session\" s WHERE s.\"userId\" = u.id AND s.expires > {now})) AS i",
)
.limits(1.0, 1_000_000.0, "users")
.needs(&[Need::Table("Session"), Need::EveryTenant])
.warns()
.fix("end the sessions of these users in the application", "ROW EXCLUSIVE on their rows");

pub(super) const LONG_SESSIONS: CheckSpec = both(
    "application.long-sessions",
    "Sessions stay valid for years, so a stolen token does too.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'table Session', n || CASE WHEN n = 1000 THEN ' or more' ELSE '' END || ' sessions end after more than 180 days', NULL, NULL \
     FROM (SELECT count(*) AS n FROM (SELECT 1 FROM \"Session\" WHERE expires > {in 180} LIMIT 1000) AS l) AS e",
)
.limits(1.0, 1_000_000.0, "sessions")
.needs(&[Need::Table("Session"), Need::EveryTenant])
.warns()
.fix("lower sessionTimeoutMinutes in the settings of the platform, and end these sessions", "ROW EXCLUSIVE on their rows");
