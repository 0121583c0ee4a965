//! Secrets by form and key. No value leaves the database: only its form is read.

use crate::doctor::check::{CheckSpec, Need, each};

/// Every secret column, as one relation of column and value.
macro_rules! values {
    () => {
        "(SELECT 'GA4Connection.accessToken' AS name, \"accessToken\" AS v FROM \"GA4Connection\" UNION ALL SELECT 'GA4Connection.refreshToken', \"refreshToken\" FROM \"GA4Connection\" \
         UNION ALL SELECT 'SearchConsoleConnection.accessToken', \"accessToken\" FROM \"SearchConsoleConnection\" UNION ALL SELECT 'SearchConsoleConnection.refreshToken', \"refreshToken\" FROM \"SearchConsoleConnection\" \
         UNION ALL SELECT 'Account.access_token', access_token FROM \"Account\" UNION ALL SELECT 'Account.refresh_token', refresh_token FROM \"Account\" UNION ALL SELECT 'Account.id_token', id_token FROM \"Account\" \
         UNION ALL SELECT 'User.apiKey', \"apiKey\" FROM \"User\") s"
    };
}

pub(super) const FORMS: CheckSpec = each(
    "application.secrets-plain",
    "Secrets are stored in plain text or in the old service's form.",
    concat!(
        "SELECT CASE WHEN d.state = 'coexistence' THEN 'ok' WHEN form = 'in plain text' THEN 'critical' ELSE 'warning' END, 'column ' || name, n || ' values are ' || form, NULL, NULL \
         FROM (SELECT name, CASE WHEN v ~ '^[0-9a-f]{24,32}:[0-9a-f]+(:[0-9a-f]+)?$' THEN 'in the old service''s form' ELSE 'in plain text' END AS form, count(*) AS n FROM ",
        values!(),
        " WHERE v IS NOT NULL AND v !~ '^rylie[0-9]' GROUP BY 1, 2) f CROSS JOIN public.rylie_database d"
    ),
    concat!(
        "SELECT CASE WHEN d.state = 'coexistence' THEN 'ok' WHEN form = 'in plain text' THEN 'critical' ELSE 'warning' END, 'column ' || name, n || ' values are ' || form, NULL, NULL \
         FROM (SELECT name, CASE WHEN v LIKE '%:%' AND v NOT GLOB '*[^0-9a-f:]*' AND length(v) >= 56 THEN 'in the old service''s form' ELSE 'in plain text' END AS form, count(*) AS n FROM ",
        values!(),
        " WHERE v IS NOT NULL AND v NOT GLOB 'rylie[0-9]*' GROUP BY 1, 2) f CROSS JOIN rylie_database d"
    ),
)
.healthy("every secret is sealed, or the old service still shares the database")
.needs(&[Need::Table("GA4Connection"), Need::EveryTenant])
.fix("rylie keys reencrypt", "ROW EXCLUSIVE; readers and writers continue");

pub(super) const KEYS: CheckSpec = each(
    "application.secrets-keys",
    "Secrets are damaged, or sealed under a key that is old or missing.",
    concat!(
        "SELECT CASE WHEN NOT whole THEN 'critical' WHEN {active_key} = '' THEN 'not-checked' WHEN kid NOT IN ({keys}) THEN 'critical' WHEN kid <> {active_key} THEN 'warning' END, 'column ' || name, \
           CASE WHEN NOT whole THEN n || ' values are damaged' WHEN {active_key} = '' THEN 'no keyring is configured, so the keys of ' || n || ' values are not compared' \
             WHEN kid NOT IN ({keys}) THEN n || ' values are under the key ' || kid || ', which the keyring lacks' ELSE n || ' values are under the older key ' || kid END, \
           CASE WHEN whole AND kid IN ({keys}) THEN 'rylie keys reencrypt' WHEN whole THEN 'restore the keyring with that key; `rylie keys report` names its id' END, 'ROW EXCLUSIVE; readers and writers continue' \
         FROM (SELECT name, v ~ '^rylie1\\.[a-z0-9-]{1,32}\\.[A-Za-z0-9_-]{108,}$' AS whole, split_part(v, '.', 2) AS kid, count(*) AS n FROM ",
        values!(),
        " WHERE v ~ '^rylie[0-9]' GROUP BY 1, 2, 3) f"
    ),
    concat!(
        "SELECT CASE WHEN NOT whole THEN 'critical' WHEN {active_key} = '' THEN 'not-checked' WHEN kid NOT IN ({keys}) THEN 'critical' WHEN kid <> {active_key} THEN 'warning' END, 'column ' || name, \
           CASE WHEN NOT whole THEN n || ' values are damaged' WHEN {active_key} = '' THEN 'no keyring is configured, so the keys of ' || n || ' values are not compared' \
             WHEN kid NOT IN ({keys}) THEN n || ' values are under the key ' || kid || ', which the keyring lacks' ELSE n || ' values are under the older key ' || kid END, \
           CASE WHEN whole AND kid IN ({keys}) THEN 'rylie keys reencrypt' WHEN whole THEN 'restore the keyring with that key; `rylie keys report` names its id' END, 'ROW EXCLUSIVE; readers and writers continue' \
         FROM (SELECT name, v GLOB 'rylie1.[a-z0-9-]*.*' AND v NOT GLOB '*[^A-Za-z0-9._-]*' AND length(v) >= 117 AS whole, substr(v, 8, max(instr(substr(v, 8), '.') - 1, 0)) AS kid, count(*) AS n FROM ",
        values!(),
        " WHERE v GLOB 'rylie[0-9]*' GROUP BY 1, 2, 3) f"
    ),
)
.healthy("every sealed value has the form of the active key; `--deep` opens them")
.needs(&[Need::Table("GA4Connection"), Need::EveryTenant])
.fix("rylie keys report; restore damaged values from a backup", "none");
