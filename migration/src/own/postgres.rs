//! A service's table on PostgreSQL.

use super::create_table::create_table;
use crate::migrations::m20261123_000007_create_door_roles::DOORS_OPEN;
use crate::new_table::{ColumnKind, NewTable, Parent, Reference, TASK_KEY};
use crate::step::{Engine, Step};

const OWN: &str = "\"tenantId\" = current_setting('rylie.tenant', true)";

/// Every step may run again: a later deploy restores policies and grants.
pub(super) fn steps(table: &NewTable) -> Vec<Step> {
    let name = table.name;
    let mut steps = vec![];
    if table.refers_to_tasks() {
        steps.push(Step::unique_index(Engine::Postgres, TASK_KEY, "\"Task\" (id, \"tenantId\")"));
    }
    steps.push(Step::sql(create_table(table, kind, Vec::new())));
    for index in table.all_indexes() {
        let unique = if index.unique { "UNIQUE " } else { "" };
        // The table is new and empty: no reader waits.
        steps.push(Step::sql(format!(
            "CREATE {unique}INDEX IF NOT EXISTS \"{}\" ON \"{name}\" {}",
            index.name,
            index.on()
        )));
    }
    // After the unique index that a reference to the table itself needs.
    steps.extend(table.references.iter().map(|reference| Step::sql(foreign_key(table, reference))));
    for user in table.users() {
        steps.extend(refuse_hidden(table, user).into_iter().map(Step::sql));
    }
    let reader = table.reader();
    steps.push(Step::sql(by_id(table)));
    steps.push(Step::sql(format!("ALTER FUNCTION public.{reader}(text, text[]) OWNER TO CURRENT_USER")));
    steps.push(Step::sql(protect(table)));
    steps
}

pub(crate) fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text | ColumnKind::Labels(_) => "text",
        ColumnKind::Integer => "integer",
        ColumnKind::BigInteger => "bigint",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Double => "double precision",
        ColumnKind::Timestamp => "timestamp(3) without time zone",
        ColumnKind::Json => "jsonb",
    }
}

/// Returns the key as a table constraint.
pub(crate) fn reference(table: &NewTable, reference: &Reference) -> String {
    let Reference { column, parent, of } = reference;
    // Rows that refer to each other may be imported in any order.
    let any_order = if *parent == table.name { " DEFERRABLE" } else { "" };
    match of {
        Parent::User => format!("FOREIGN KEY (\"{column}\") REFERENCES \"User\"(id)"),
        Parent::OfTenant | Parent::FollowedUser => format!(
            "FOREIGN KEY (\"{column}\", \"tenantId\") REFERENCES \"{parent}\"(id, \"tenantId\") \
             ON UPDATE CASCADE ON DELETE CASCADE{any_order}"
        ),
    }
}

fn foreign_key(table: &NewTable, key: &Reference) -> String {
    let (name, constraint) = (table.name, table.key(key));
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = '{constraint}' AND conrelid = to_regclass('public.\"{name}\"')) \
         THEN ALTER TABLE \"{name}\" ADD CONSTRAINT \"{constraint}\" {}; END IF; END $$",
        reference(table, key)
    )
}

/// Returns the function and triggers that refuse a user whom the writer cannot see, as if there were none. PostgreSQL
/// checks a foreign key with the owner's rights, which would reveal the users of other tenants.
fn refuse_hidden(table: &NewTable, user: &Reference) -> Vec<String> {
    let owner = format!("ALTER FUNCTION public.{}() OWNER TO CURRENT_USER", table.visible(user));
    let triggers = triggers(table, user).map(|(_, sql)| sql);
    [visible(table, user), owner].into_iter().chain(triggers).collect()
}

fn visible(table: &NewTable, user: &Reference) -> String {
    let (column, function, key) = (user.column, table.visible(user), table.key(user));
    format!(
        "CREATE OR REPLACE FUNCTION public.{function}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp \
         AS $$ BEGIN IF NOT EXISTS (SELECT FROM public.\"User\" p WHERE p.id OPERATOR(pg_catalog.=) NEW.\"{column}\") THEN \
         RAISE EXCEPTION USING ERRCODE = '23503', \
         MESSAGE = pg_catalog.format('insert or update on table \"%s\" violates foreign key constraint \"{key}\"', TG_TABLE_NAME), \
         DETAIL = 'Key is not present in table \"User\".', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = '{key}'; \
         END IF; RETURN NEW; END $$"
    )
}

/// Returns the names of the triggers, with the statements that create them.
pub(crate) fn triggers(table: &NewTable, user: &Reference) -> [(String, String); 2] {
    let (name, column, function) = (table.name, user.column, table.visible(user));
    let bound = "row_security_active('public.\"User\"'::regclass)";
    let trigger = |event: &str, concerned: &str| {
        let trigger = format!("Parent_{column}_visible_{}", event.to_lowercase());
        let sql = format!(
            "CREATE OR REPLACE TRIGGER \"{trigger}\" AFTER {event} ON \"{name}\" FOR EACH ROW \
             WHEN (NEW.\"{column}\" IS NOT NULL AND {concerned}{bound}) EXECUTE FUNCTION public.{function}()"
        );
        (trigger, sql)
    };
    let changed = format!("NEW.\"{column}\" IS DISTINCT FROM OLD.\"{column}\" AND ");
    [trigger("INSERT", ""), trigger("UPDATE", &changed)]
}

/// Returns the functions of the table as the catalog names them, with the statements that create them.
pub(crate) fn functions(table: &NewTable) -> Vec<(String, String)> {
    let reader = (format!("{}(text,text[])", table.reader()), by_id(table));
    let checks = table.users().map(|user| (format!("{}()", table.visible(user)), visible(table, user)));
    std::iter::once(reader).chain(checks).collect()
}

/// Returns the function that reads rows by id in one round trip, as those of requests and tasks do.
fn by_id(table: &NewTable) -> String {
    let (name, reader) = (table.name, table.reader());
    format!(
        "CREATE OR REPLACE FUNCTION public.{reader}(tenant text, ids text[]) RETURNS SETOF public.\"{name}\" LANGUAGE plpgsql ROWS 1 \
         SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN \
         PERFORM pg_catalog.set_config('role', 'rylie_tenant', true), pg_catalog.set_config('rylie.tenant', tenant, true), \
         pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true); \
         RETURN QUERY SELECT * FROM public.\"{name}\" t WHERE t.id = ANY (ids) AND t.\"tenantId\" = tenant; END $$"
    )
}

/// Returns one statement for policies and grants, so that no session sees a partial change. The policies are also
/// forced during a coexistence: the old service does not know the table.
fn protect(table: &NewTable) -> String {
    let (name, rights) = (table.name, rights(table));
    let policy = |role: &str, condition: &str| {
        format!(
            "DROP POLICY IF EXISTS {role} ON \"{name}\"; \
             CREATE POLICY {role} ON \"{name}\" TO {role} USING ({condition}) WITH CHECK ({condition});"
        )
    };
    format!(
        "DO $$ BEGIN IF {DOORS_OPEN} THEN REVOKE ALL ON \"{name}\" FROM PUBLIC, rylie_tenant, rylie_platform; \
         GRANT {rights} ON \"{name}\" TO rylie_tenant; GRANT SELECT, INSERT, UPDATE, DELETE ON \"{name}\" TO rylie_platform; \
         {} {} ALTER TABLE \"{name}\" ENABLE ROW LEVEL SECURITY; ALTER TABLE \"{name}\" FORCE ROW LEVEL SECURITY; END IF; END $$",
        policy("rylie_tenant", OWN),
        policy("rylie_platform", "true"),
    )
}

pub(crate) fn rights(table: &NewTable) -> &'static str {
    if table.append_only { "SELECT, INSERT" } else { "SELECT, INSERT, UPDATE, DELETE" }
}
