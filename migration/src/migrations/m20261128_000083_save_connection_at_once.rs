//! Functions that save a user's connection to Google and its record in one round trip, with both isolation layers.
//!
//! Called outside a transaction, a call is a separate transaction. The function assumes the tenant role and sets the
//! tenant, as a unit's `BEGIN` does. Then it reads the owner and updates or adds the row. It writes nothing to a row of
//! another id than the given one, which the tokens are sealed for. Tenant and row of the record are those of the call,
//! whatever its JSON says. The function runs with its caller's rights: a login that may not assume the role gets an
//! error.

use crate::migrations::Migration;
use crate::migrations::at_once::{RECORD, create, drop, names, types};
use crate::step::{Engine, Step};

/// A table with one row a user, and the function that saves it.
struct Connection {
    function: &'static str,
    table: &'static str,
    /// The columns that name what is connected.
    names: [&'static str; 2],
}

impl Connection {
    fn signature(&self) -> String {
        format!("{}({TYPES})", self.function)
    }
}

const CONNECTIONS: [Connection; 2] = [
    Connection {
        function: "public.rylie_save_ga4_connection",
        table: "public.\"GA4Connection\"",
        names: ["\"propertyId\"", "\"propertyName\""],
    },
    Connection {
        function: "public.rylie_save_search_console_connection",
        table: "public.\"SearchConsoleConnection\"",
        names: ["\"siteUrl\"", "\"siteName\""],
    },
];

const TYPES: &str = "text, text, text, boolean, text, text, text, timestamp, text, text, timestamp, text";

pub(crate) struct SaveConnectionAtOnce;

impl Migration for SaveConnectionAtOnce {
    fn name(&self) -> &'static str {
        "m20261128_000083_save_connection_at_once"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => CONNECTIONS.iter().flat_map(|of| create(function(of), &of.signature())).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => CONNECTIONS.iter().map(|of| drop(&of.signature())).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }
}

/// Returns the function. It returns the role of the owner if the caller reaches that user, the outcome and the row.
///
/// | outcome | the row |
/// |---|---|
/// | `saved` | as stored |
/// | `other id` | the owner's row, which has another id; nothing is written |
/// | `taken` | null: a row out of reach has the id; nothing is written |
/// | null | null: the owner is a super admin other than the caller; nothing is written |
///
/// The loop runs twice, because another transaction may add or remove the row between two statements.
fn function(of: &Connection) -> String {
    let Connection { function, table, names: [first, second] } = of;
    let (record, types) = (names(&RECORD), types(&RECORD));
    let recorded = format!(
        "recorded AS (INSERT INTO public.\"AuditLog\" (\"tenantId\", \"resourceId\", {record}) \
         SELECT tenant, row_id, {record} FROM written, pg_catalog.json_to_record(record::json) AS r ({types})) \
         SELECT owner_role, 'saved'::text, written.saved FROM written; IF FOUND THEN RETURN; END IF;"
    );
    format!(
        "CREATE OR REPLACE FUNCTION {function}(tenant text, caller text, owner text, only_own boolean, row_id text, access_token text, refresh_token text, expires_at timestamp, first_name text, second_name text, saved_at timestamp, record text) \
         RETURNS TABLE (owner_role text, outcome text, stored {table}) LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, public, pg_temp \
         AS $$ BEGIN \
         PERFORM pg_catalog.set_config('role', 'rylie_tenant', true), pg_catalog.set_config('rylie.tenant', tenant, true); \
         owner_role := (SELECT u.role::text FROM public.\"User\" u WHERE u.id = owner AND u.\"tenantId\" = tenant AND (NOT only_own OR u.id = caller)); \
         IF owner_role IS NULL THEN RETURN; END IF; \
         IF owner_role = 'SUPER_ADMIN' AND owner <> caller THEN RETURN NEXT; RETURN; END IF; \
         FOR attempt IN 1..2 LOOP \
         RETURN QUERY WITH written AS (UPDATE {table} c SET \"accessToken\" = access_token, \"refreshToken\" = refresh_token, \"expiresAt\" = expires_at, {first} = first_name, {second} = second_name, \"updatedAt\" = saved_at \
         WHERE c.id = row_id AND c.\"userId\" = owner AND c.\"tenantId\" = tenant RETURNING c AS saved), {recorded} \
         stored := (SELECT c FROM {table} c WHERE c.\"userId\" = owner AND c.\"tenantId\" = tenant); \
         IF stored.id <> row_id THEN outcome := 'other id'; RETURN NEXT; RETURN; END IF; \
         RETURN QUERY WITH written AS (INSERT INTO {table} AS c (id, \"tenantId\", \"userId\", \"accessToken\", \"refreshToken\", \"expiresAt\", {first}, {second}, \"createdAt\", \"updatedAt\") \
         VALUES (row_id, tenant, owner, access_token, refresh_token, expires_at, first_name, second_name, saved_at, saved_at) ON CONFLICT DO NOTHING RETURNING c AS saved), {recorded} \
         END LOOP; \
         outcome := 'taken'; RETURN NEXT; \
         END $$"
    )
}
