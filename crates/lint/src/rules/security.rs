//! Grants, policies, and statements that bypass them.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;

use super::Rule;
use super::removals::made_again;
use super::tenancy::names;
use crate::script::Part;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "audit-log-cascade",
        like: "",
        harm: "deleting or changing the referenced row deletes or changes the evidence",
        fix: "store the actor by value, without a foreign key",
        fails: "ALTER TABLE \"AuditLog\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k FOREIGN KEY (\"userId\") REFERENCES \"User\" (id) ON DELETE CASCADE NOT VALID;",
        passes: "COMMENT ON COLUMN \"AuditLog\".\"userId\" IS 'by value: an event outlives its actor';",
        check: |_, part| {
            is_audit_log(part.table.as_deref().unwrap_or_default())
                && part.is_one_of(&[K::ADD_CONSTRAINT, K::ADD_COLUMN, K::CREATE_TABLE])
                && [K::ON_DELETE_ACTION, K::ON_UPDATE_ACTION]
                    .into_iter()
                    .any(|kind| part.node.all(kind).any(|action| changes(&action)))
        },
    },
    &Rule {
        id: "audit-log-grant",
        like: "",
        harm: "a role with this right can change or remove evidence",
        fix: "GRANT SELECT, INSERT",
        fails: "GRANT SELECT, DELETE ON \"AuditLog\" TO rylie_platform;",
        passes: "GRANT SELECT, INSERT ON \"AuditLog\" TO rylie_platform;",
        check: |_, part| {
            let tables = part.node.names(K::RELATION_NAME_REF);
            let all_tables = part.node.find(K::PRIVILEGE_ALL_TABLES_IN_SCHEMA).is_some();
            part.is(K::GRANT)
                && (all_tables || tables.iter().any(|table| is_audit_log(table)))
                && grants_change(&part.node)
        },
    },
    &Rule {
        id: "grant-to-public",
        like: "",
        harm: "every login of the server has this right, future ones included",
        fix: "GRANT … TO the role that needs it",
        fails: "GRANT SELECT ON \"Task\" TO PUBLIC;",
        passes: "GRANT SELECT ON \"Task\" TO rylie_platform;",
        check: |_, part| {
            let privileges = part.is_one_of(&[K::GRANT, K::ALTER_DEFAULT_PRIVILEGES]) && part.node.holds(K::GRANT_KW);
            privileges
                && part
                    .node
                    .all(K::ROLE_REF_LIST)
                    .any(|roles| roles.names(K::ROLE_REF).iter().any(|role| role == "public"))
        },
    },
    &Rule {
        id: "view-without-security-invoker",
        like: "",
        harm: "the view reads with its owner's rights: its readers bypass the policies of its tables",
        fix: "CREATE VIEW … WITH (security_invoker = true) AS …",
        fails: "CREATE OR REPLACE VIEW titles AS SELECT title FROM \"Task\";",
        passes: "CREATE OR REPLACE VIEW titles WITH (security_invoker = true) AS SELECT title FROM \"Task\";",
        check: |_, part| {
            let options: Vec<SyntaxNode> = part.node.all(K::ATTRIBUTE_OPTION).collect();
            let invoker = options.iter().find(|option| option.names(K::ATTRIBUTE_NAME) == ["security_invoker"]);
            let on = invoker
                .is_some_and(|option| option.child(K::ATTRIBUTE_VALUE).is_none_or(|value| is_true(&value.words())));
            part.is(K::CREATE_VIEW) && !on || part.is(K::ALTER_VIEW) && (invoker.is_some() && !on)
        },
    },
    &Rule {
        id: "materialized-view",
        like: "",
        harm: "it stores a copy of the rows of all tenants, and cannot have policies",
        fix: "a view with security_invoker, or a tenant-owned table filled by a job",
        fails: "CREATE MATERIALIZED VIEW IF NOT EXISTS titles AS SELECT title FROM \"Task\";",
        passes: "CREATE OR REPLACE VIEW titles WITH (security_invoker = true) AS SELECT title FROM \"Task\";",
        check: |_, part| part.is(K::CREATE_MATERIALIZED_VIEW),
    },
    &Rule {
        id: "definer-without-search-path",
        like: "",
        harm: "its caller chooses which tables and operators it resolves, with the owner's rights",
        fix: "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp",
        fails: "CREATE OR REPLACE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM \"Task\"';",
        passes: "CREATE OR REPLACE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS 'SELECT count(*) FROM \"Task\"';",
        check: |_, part| {
            let path = part.node.names(K::CONFIG_PARAMETER_REF).iter().any(|setting| setting == "search_path");
            part.node.holds(K::SECURITY_DEFINER_FUNC_OPTION) && !path
        },
    },
    &Rule {
        id: "row-security-off",
        like: "squawk `ban-alter-row-level-security`",
        harm: "the table's policies apply to no role, or no longer to its owner",
        fix: "leave it on; to see all rows, use the role rylie_platform",
        fails: "ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY;",
        passes: "ALTER TABLE \"Task\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
        check: |context, part| {
            let back = match part.node.kind() {
                K::DISABLE_RLS => K::ENABLE_RLS,
                K::NO_FORCE_RLS => K::FORCE_RLS,
                _ => return false,
            };
            !context.script.after(part).any(|other| other.is(back) && other.table == part.table)
        },
    },
    &Rule {
        id: "triggers-off",
        like: "squawk `ban-disable-trigger`",
        harm: "triggers do not run: tenant keys are not filled in, and foreign keys are not checked",
        fix: "leave triggers on, and write rows that satisfy them",
        fails: "ALTER TABLE \"Task\" DISABLE TRIGGER ALL;",
        passes: "ALTER TABLE \"Task\" ENABLE TRIGGER ALL;",
        check: |_, part| {
            let replica = part.is(K::SET) && part.node.names(K::CONFIG_PARAMETER_REF) == ["session_replication_role"];
            part.is(K::DISABLE_TRIGGER)
                || part.is(K::DISABLE_RULE)
                || replica && part.node.words().to_lowercase().contains("replica'")
                || replica && part.node.words().to_lowercase().ends_with("replica ;")
        },
    },
    &Rule {
        id: "drop-policy",
        like: "squawk `ban-drop-policy`",
        harm: "a role without a policy sees no row; if a wider policy remains, it sees more",
        fix: "CREATE POLICY of the same name in the same script",
        fails: "DROP POLICY IF EXISTS rylie_tenant ON \"Task\";",
        passes: "DROP POLICY IF EXISTS rylie_tenant ON \"Task\";\nCREATE POLICY rylie_tenant ON \"Task\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true));",
        check: |context, part| {
            part.is(K::DROP_POLICY) && !made_again(context.script.after(part), part, K::POLICY_REF, K::POLICY)
        },
    },
    &Rule {
        id: "open-policy",
        like: "",
        harm: "it gives access to rows of all tenants: it applies to every role, or has no tenant condition",
        fix: "CREATE POLICY … TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true))",
        fails: "DROP POLICY IF EXISTS p ON \"Task\";\nCREATE POLICY p ON \"Task\" USING (true);",
        passes: "DROP POLICY IF EXISTS p ON \"Task\";\nCREATE POLICY p ON \"Task\" TO rylie_platform USING (true);",
        check: |_, part| {
            let roles = part.node.names(K::ROLE_REF);
            let wide = roles.iter().any(|role| role == "public" || role == "rylie_tenant")
                || roles.is_empty() && part.is(K::CREATE_POLICY);
            let conditions = part.node.all(K::USING_EXPR_CLAUSE).chain(part.node.all(K::WITH_CHECK_EXPR_CLAUSE));
            let restrictive = part.node.child(K::AS_POLICY_TYPE).is_some_and(|kind| kind.name() == "restrictive");
            part.is_one_of(&[K::CREATE_POLICY, K::ALTER_POLICY])
                && !restrictive
                && (wide || part.is(K::ALTER_POLICY) && is_on_tenants(part))
                && conditions.into_iter().any(|condition| !names(&condition, "tenantId"))
        },
    },
    &Rule {
        id: "role-past-policies",
        like: "squawk `ban-alter-role-options`",
        harm: "no policy applies to this role",
        fix: "NOSUPERUSER NOBYPASSRLS, with membership in rylie_doors",
        fails: "ALTER ROLE app BYPASSRLS;",
        passes: "ALTER ROLE app NOBYPASSRLS;",
        check: |_, part| {
            part.is_one_of(&[K::CREATE_ROLE, K::ALTER_ROLE, K::CREATE_USER, K::ALTER_USER])
                && part.node.words().to_lowercase().split(' ').any(|word| word == "bypassrls" || word == "superuser")
        },
    },
];

fn is_audit_log(table: &str) -> bool {
    table.to_lowercase().contains("auditlog") || table.to_lowercase().contains("audit_log")
}

/// Matches `CASCADE`, `SET NULL` and `SET DEFAULT`.
fn changes(action: &SyntaxNode) -> bool {
    [K::CASCADE, K::SET_NULL_COLUMNS, K::SET_DEFAULT_COLUMNS].into_iter().any(|kind| action.find(kind).is_some())
}

/// Recognises the tenants' policy by its name: `ALTER POLICY` need not name the role.
fn is_on_tenants(part: &Part) -> bool {
    part.node.names(K::POLICY_REF) == ["rylie_tenant"]
}

fn grants_change(grant: &SyntaxNode) -> bool {
    let all = grant.find(K::ALL_PRIVILEGES).is_some();
    let rights = grant.all(K::REVOKE_COMMAND).map(|right| right.words().to_lowercase());
    let mut rights = rights;
    all || rights.any(|right| ["update", "delete", "truncate", "all"].iter().any(|change| right.starts_with(change)))
}

fn is_true(value: &str) -> bool {
    matches!(value.trim_matches('\'').to_lowercase().as_str(), "true" | "on" | "yes" | "1" | "t")
}
