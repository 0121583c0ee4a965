//! Tenant-owned tables need the tenant key, a forced policy and an index for it.
//!
//! Every new table counts as tenant-owned, so that a forgotten key is reported. Exceptions by name: the base's tables
//! without a tenant, and tables whose name begins with `rylie_`. Any other exception needs an allowance.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;

use super::Rule;
use crate::context::Context;
use crate::script::Part;
use crate::tree::Tree;

const KEY: &str = "tenantId";

/// Tables of the base without a tenant.
const OF_THE_PLATFORM: [&str; 2] = ["VerificationToken", "SystemSettings"];

macro_rules! table {
    ($($sql:literal),+) => {
        concat!("CREATE TABLE IF NOT EXISTS \"Report\" (id text PRIMARY KEY, \"tenantId\" text NOT NULL);\n", $($sql, "\n"),+)
    };
}

macro_rules! whole {
    () => {
        table!(
            "CREATE INDEX IF NOT EXISTS i ON \"Report\" (\"tenantId\", id);",
            "ALTER TABLE \"Report\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
            "DROP POLICY IF EXISTS rylie_tenant ON \"Report\";",
            "CREATE POLICY rylie_tenant ON \"Report\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true));"
        )
    };
}

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "tenant-table-without-key",
        like: "",
        harm: "it contains rows of all tenants without a key to separate them",
        fix: "\"tenantId\" text NOT NULL; for a table of the platform, an allowance with that reason",
        fails: "CREATE TABLE IF NOT EXISTS \"Report\" (id text PRIMARY KEY, \"userId\" text NOT NULL);",
        passes: whole!(),
        check: |context, part| is_new(part) && !has_key(context, part),
    },
    &Rule {
        id: "tenant-table-without-policy",
        like: "",
        harm: "a query without a condition sees the rows of all tenants",
        fix: "CREATE POLICY rylie_tenant ON … TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true)) WITH CHECK (the same)",
        fails: table!(
            "CREATE INDEX IF NOT EXISTS i ON \"Report\" (\"tenantId\", id);",
            "ALTER TABLE \"Report\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        ),
        passes: whole!(),
        check: |context, part| {
            let policy =
                |other: &Part| other.is(K::CREATE_POLICY) && other.table == part.table && names(&other.node, KEY);
            is_new(part) && has_key(context, part) && !context.everything().any(policy)
        },
    },
    &Rule {
        id: "tenant-table-without-row-security",
        like: "",
        harm: "without ENABLE the policies apply to no role; without FORCE they do not apply to the table owner",
        fix: "ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        fails: table!(
            "CREATE INDEX IF NOT EXISTS i ON \"Report\" (\"tenantId\", id);",
            "ALTER TABLE \"Report\" ENABLE ROW LEVEL SECURITY;",
            "DROP POLICY IF EXISTS rylie_tenant ON \"Report\";",
            "CREATE POLICY rylie_tenant ON \"Report\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true));"
        ),
        passes: whole!(),
        check: |context, part| {
            let done = |kind: K| context.everything().any(|other| other.is(kind) && other.table == part.table);
            is_new(part) && has_key(context, part) && !(done(K::ENABLE_RLS) && done(K::FORCE_RLS))
        },
    },
    &Rule {
        id: "tenant-table-without-index",
        like: "",
        harm: "each list of one tenant reads the rows of all tenants",
        fix: "CREATE INDEX … (\"tenantId\", …), in the order of the list, or a composite key that begins with \"tenantId\"",
        fails: table!(
            "ALTER TABLE \"Report\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
            "DROP POLICY IF EXISTS rylie_tenant ON \"Report\";",
            "CREATE POLICY rylie_tenant ON \"Report\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true));"
        ),
        passes: whole!(),
        check: |context, part| is_new(part) && has_key(context, part) && !is_indexed(context, part),
    },
];

/// Returns whether this is a new table that counts as tenant-owned.
fn is_new(part: &Part) -> bool {
    let name = part.table.as_deref().unwrap_or_default();
    let inherits = part.node.has(K::PARTITION_OF) || part.node.find(K::TEMP).is_some();
    part.is_one_of(&[K::CREATE_TABLE, K::CREATE_TABLE_AS])
        && !inherits
        && !name.starts_with("rylie_")
        && !OF_THE_PLATFORM.contains(&name)
}

fn has_key(context: &Context<'_>, table: &Part) -> bool {
    context.everything().any(|part| {
        let columns = part.is_one_of(&[K::CREATE_TABLE, K::ADD_COLUMN]) && part.table == table.table;
        columns && part.node.names(K::COLUMN_NAME).iter().any(|column| column == KEY)
    })
}

fn is_indexed(context: &Context<'_>, table: &Part) -> bool {
    context.everything().filter(|part| part.table == table.table).any(|part| match part.node.kind() {
        K::CREATE_INDEX => part.node.find(K::PARTITION_ITEM).is_some_and(|first| first.name() == KEY),
        K::CREATE_TABLE | K::ADD_CONSTRAINT => {
            let keys = part.node.all(K::PRIMARY_KEY_CONSTRAINT).chain(part.node.all(K::UNIQUE_CONSTRAINT));
            keys.into_iter().any(|key| key.names(K::COLUMN_NAME_REF).first().is_some_and(|first| first == KEY))
        }
        _ => false,
    })
}

/// Returns whether a condition names this column.
pub(super) fn names(node: &SyntaxNode, column: &str) -> bool {
    node.names(K::NAME_REF).iter().any(|name| name == column)
}
