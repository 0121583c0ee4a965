//! Planted faults, each with the check that must find it. PostgreSQL.

/// A fault in a database.
#[derive(Clone, Copy)]
pub(super) struct Plant {
    /// The check that finds it.
    pub(super) check: &'static str,
    /// The statements that plant it, as a superuser.
    pub(super) sql: &'static str,
    /// Checks that may find it as well, without that check as their root cause.
    pub(super) also: &'static [&'static str],
}

const fn plant(check: &'static str, sql: &'static str) -> Plant {
    Plant { check, sql, also: &[] }
}

impl Plant {
    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

/// A table with everything that a tenant's table needs, except an index that begins with the tenant key.
const GOOD_TABLE: &str = "CREATE TABLE \"Extra\" (id text PRIMARY KEY, \"tenantId\" text NOT NULL); ALTER TABLE \"Extra\" ENABLE ROW LEVEL SECURITY; \
     ALTER TABLE \"Extra\" FORCE ROW LEVEL SECURITY; \
     CREATE POLICY rylie_tenant ON \"Extra\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true)) WITH CHECK (\"tenantId\" = current_setting('rylie.tenant', true))";

pub(super) const ISOLATION: &[Plant] = &[
    plant("isolation.row-security", "ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY"),
    plant("isolation.row-security", "CREATE SCHEMA copies; CREATE TABLE copies.tasks AS SELECT * FROM \"Task\""),
    plant("isolation.forced", "ALTER TABLE \"Request\" NO FORCE ROW LEVEL SECURITY"),
    plant("isolation.policy", "DROP POLICY rylie_tenant ON \"Task\""),
    plant(
        "isolation.policy",
        "ALTER POLICY rylie_tenant ON \"Task\" USING (\"tenantId\" = current_setting('rylie.tenant', true) OR deleted)",
    )
    .also(&["isolation.extra-policy", "isolation.with-check"]),
    plant("isolation.extra-policy", "CREATE POLICY open ON \"Task\" USING (true)"),
    plant(
        "isolation.extra-policy",
        "CREATE ROLE doctor_reader LOGIN; CREATE POLICY peek ON \"Task\" FOR SELECT TO doctor_reader USING (true)",
    ),
    plant("isolation.with-check", "CREATE POLICY late ON \"Task\" FOR INSERT TO rylie_tenant WITH CHECK (true)"),
    plant("isolation.rules", "CREATE RULE quiet AS ON DELETE TO \"Task\" DO INSTEAD NOTHING"),
    plant("isolation.tenant-column", "CREATE TABLE \"Note\" (id text PRIMARY KEY, \"userId\" text)"),
    plant("isolation.tenant-nullable", "ALTER TABLE \"Task\" ALTER COLUMN \"tenantId\" DROP NOT NULL"),
    plant("isolation.tenant-index", GOOD_TABLE),
    plant(
        "isolation.composite-keys",
        "ALTER TABLE \"Session\" DROP CONSTRAINT \"Session_userId_tenantId_fkey\"; DROP TRIGGER \"Parent_userId_visible_insert\" ON \"Session\"",
    ),
    plant(
        "isolation.definer-functions",
        "CREATE FUNCTION public.all_tasks() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM public.\"Task\"'",
    ),
    plant("isolation.search-path", "ALTER FUNCTION rylie_visible_user() RESET search_path"),
    plant("isolation.owners", "CREATE ROLE doctor_other; ALTER TABLE \"SystemSettings\" OWNER TO doctor_other"),
    plant("isolation.owners", "CREATE ROLE doctor_coder; ALTER FUNCTION rylie_visible_user() OWNER TO doctor_coder"),
    plant(
        "isolation.views",
        "CREATE VIEW tasks AS SELECT id FROM \"Task\"; CREATE VIEW of_tasks WITH (security_invoker = true) AS SELECT id FROM tasks",
    ),
    plant("isolation.materialized-views", "CREATE MATERIALIZED VIEW copied_tasks AS SELECT id FROM \"Task\""),
    plant(
        "isolation.partitions",
        "CREATE TABLE parted (id text, \"tenantId\" text NOT NULL, PRIMARY KEY (\"tenantId\", id)) PARTITION BY LIST (\"tenantId\"); ALTER TABLE parted ENABLE ROW LEVEL SECURITY; \
         ALTER TABLE parted FORCE ROW LEVEL SECURITY; CREATE POLICY rylie_tenant ON parted TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true)); \
         CREATE TABLE part_a PARTITION OF parted FOR VALUES IN ('a1')",
    ),
    plant(
        "isolation.event-triggers",
        "CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION watched()",
    ),
    plant("isolation.public-grants", "GRANT SELECT ON \"Task\" TO PUBLIC")
        .also(&["isolation.grants", "isolation.probe-identity"]),
    plant("isolation.public-grants", "GRANT SELECT (email) ON \"User\" TO PUBLIC").also(&["isolation.grants"]),
    plant("isolation.default-privileges", "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC"),
    plant("isolation.schema-create", "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    plant("isolation.publications", "CREATE PUBLICATION outward FOR TABLE \"Task\""),
    plant("isolation.audit-rights", "GRANT DELETE ON \"AuditLog\" TO rylie_platform").also(&["isolation.grants"]),
    plant(
        "isolation.session-defaults",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET rylie.tenant = %L', current_database(), 'a1'); END $$",
    ),
    plant("isolation.grants", "GRANT TRUNCATE ON \"Task\" TO rylie_tenant"),
    plant("isolation.superusers", "CREATE ROLE doctor_super SUPERUSER LOGIN"),
    plant("isolation.superusers", "CREATE ROLE doctor_app SUPERUSER LOGIN; GRANT rylie_doors TO doctor_app"),
    plant("isolation.bypass-logins", "CREATE ROLE doctor_bypass BYPASSRLS LOGIN"),
    plant("isolation.service-logins", "CREATE ROLE doctor_direct LOGIN; GRANT rylie_tenant TO doctor_direct"),
    plant(
        "isolation.service-logins",
        "CREATE ROLE doctor_direct LOGIN; GRANT rylie_doors, pg_write_all_data TO doctor_direct",
    ),
    plant("isolation.unit-roles", "CREATE ROLE doctor_direct; GRANT rylie_doors TO doctor_direct"),
    plant(
        "isolation.service-logins",
        "CREATE ROLE doctor_other; GRANT pg_read_all_data TO doctor_other; CREATE ROLE doctor_direct LOGIN; GRANT rylie_doors, doctor_other TO doctor_direct",
    ),
    plant("isolation.unit-roles", "ALTER ROLE rylie_identity BYPASSRLS").also(&["isolation.bypass-logins"]),
    plant(
        "isolation.provisioned-logins",
        "CREATE ROLE doctor_app LOGIN NOINHERIT; INSERT INTO rylie_logins (login, kind) VALUES ('doctor_app', 'app')",
    ),
    plant(
        "isolation.provisioned-logins",
        "CREATE ROLE doctor_app LOGIN NOINHERIT; GRANT rylie_doors TO doctor_app; INSERT INTO rylie_logins (login, kind) VALUES ('doctor_app', 'sealer')",
    ),
    plant("isolation.provisioned-logins", "INSERT INTO rylie_logins (login, kind) VALUES ('doctor_gone', 'app')"),
    plant(
        "isolation.provisioned-logins",
        "CREATE ROLE doctor_reader NOLOGIN; INSERT INTO rylie_logins (login, kind, every_tenant, reason) VALUES ('doctor_reader', 'readonly', true, 'r')",
    ),
    plant(
        "isolation.probe-tenant",
        "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'n', now()); INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('u1', 'u1@x', 'a1', now()); \
         ALTER TABLE \"User\" DISABLE ROW LEVEL SECURITY",
    )
    .also(&["isolation.row-security"]),
    plant(
        "isolation.session-defaults",
        "CREATE ROLE doctor_other; GRANT SET ON PARAMETER session_replication_role TO doctor_other",
    ),
    plant("isolation.unrecorded-logins", "CREATE ROLE doctor_other LOGIN REPLICATION"),
    plant(
        "isolation.session-defaults",
        "CREATE SCHEMA evil; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = evil, public', current_database()); END $$",
    ),
    plant(
        "isolation.bypass-logins",
        "CREATE ROLE doctor_bypass BYPASSRLS LOGIN IN ROLE pg_read_all_data; CREATE ROLE doctor_other BYPASSRLS LOGIN IN ROLE pg_read_all_data; \
         DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO doctor_bypass, doctor_other', current_database()); END $$",
    ),
    plant(
        "isolation.session-defaults",
        "CREATE ROLE doctor_other LOGIN; ALTER ROLE doctor_other SET session_replication_role = replica",
    ),
    plant("isolation.probe-identity", "GRANT SELECT ON \"Request\" TO rylie_identity").also(&["isolation.grants"]),
    plant("isolation.probe-platform", "GRANT UPDATE ON rylie_database TO rylie_platform")
        .also(&["isolation.grants", "isolation.audit-rights"]),
];

/// Roles that plants create. They belong to the server, and are dropped after each plant.
pub(super) const ROLES: [&str; 7] =
    ["doctor_reader", "doctor_other", "doctor_coder", "doctor_super", "doctor_app", "doctor_bypass", "doctor_direct"];

pub(super) const TABLES: &[Plant] = &[
    plant("tables.invalid-index", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Task_tenantId_createdAt_idx\"'::regclass"),
    plant("tables.duplicate-index", "CREATE INDEX twin_a ON \"Agency\" (name); CREATE INDEX twin_b ON \"Agency\" (name)"),
    plant("tables.unindexed-foreign-key", "CREATE TABLE \"Owned\" (id text PRIMARY KEY, \"ownerX\" text REFERENCES \"Agency\" (id))"),
    plant("tables.no-primary-key", "CREATE TABLE loose (n int)"),
    plant("tables.unvalidated-constraint", "ALTER TABLE \"Agency\" ADD CONSTRAINT late CHECK (name <> 'x') NOT VALID"),
    plant("tables.disabled-trigger", "ALTER TABLE \"AuditLog\" DISABLE TRIGGER \"AuditLog_append_only\""),
    plant("tables.disabled-trigger", "ALTER TABLE \"Task\" DISABLE TRIGGER ALL"),
    plant("tables.unlogged", "CREATE UNLOGGED TABLE lost (id text PRIMARY KEY)"),
    plant("tables.autovacuum-off", "ALTER TABLE \"Task\" SET (autovacuum_enabled = off)"),
    plant("tables.sequence-end", "CREATE SEQUENCE small AS smallint; SELECT setval('small', 32000)::text"),
    plant("tables.sequence-end", "CREATE TABLE numbered (id serial PRIMARY KEY); ALTER SEQUENCE numbered_id_seq AS bigint; SELECT setval('numbered_id_seq', 2000000000)::text"),
    plant("tables.outdated-extension", "UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'"),
    plant(
        "tables.dead-rows",
        "INSERT INTO \"Agency\" (id, name, \"updatedAt\") SELECT 'd' || i, 'n', now() FROM generate_series(1, 3000) i; ANALYZE \"Agency\"; DELETE FROM \"Agency\" WHERE id LIKE 'd%'; SELECT pg_stat_force_next_flush()::text",
    )
    .also(&["tables.stale-statistics"]),
    plant(
        "tables.bloat",
        "CREATE TABLE wide (id int PRIMARY KEY, t text); INSERT INTO wide SELECT i, repeat('x', 700) FROM generate_series(1, 20000) i; DELETE FROM wide WHERE id % 40 > 0; ANALYZE wide; \
         SELECT pg_stat_force_next_flush()::text",
    )
    .also(&["tables.dead-rows", "tables.stale-statistics"]),
    plant("tables.never-analyzed", "CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 2000); SELECT pg_stat_force_next_flush()::text"),
    plant(
        "tables.stale-statistics",
        "CREATE TABLE moved (id int PRIMARY KEY); INSERT INTO moved SELECT generate_series(1, 2000); ANALYZE moved; INSERT INTO moved SELECT generate_series(2001, 9000); SELECT pg_stat_force_next_flush()::text",
    ),
];

pub(super) const SERVER: &[Plant] = &[
    plant("server.collation", "UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()"),
    plant("server.replication-slots", "SELECT pg_create_physical_replication_slot('doctor_slot', true)::text")
        .also(&["server.slot-limit"]),
    plant(
        "server.invalid-database",
        "CREATE TABLE placeholder (id int PRIMARY KEY); UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'template1'",
    ),
    plant("server.login-expiry", "CREATE ROLE doctor_other LOGIN VALID UNTIL '2026-01-01'"),
    plant(
        "server.read-only",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
    ),
    plant(
        "server.password-encryption",
        "CREATE ROLE doctor_other PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' LOGIN",
    ),
];

/// An agency with a user, whom the other plants need.
pub(super) const PEOPLE: &str = "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'n', now()); \
     INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('u1', 'u1@x', 'a1', now())";

pub(super) const APPLICATION: &[Plant] = &[
    plant("application.expired-sessions", "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'u1', now() - interval '3 days')"),
    plant("application.expired-tokens", "INSERT INTO \"VerificationToken\" (identifier, token, expires) VALUES ('i', 't', now() - interval '3 days')"),
    plant(
        "application.inactive-users",
        "UPDATE \"User\" SET \"updatedAt\" = now() - interval '1 year', \"createdAt\" = now() - interval '2 years' WHERE id = 'u1'; INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'u1', now() + interval '3 days')",
    ),
    plant("application.long-sessions", "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'u1', now() + interval '3 years')"),
    plant("application.users-without-agency", "INSERT INTO \"User\" (id, email, \"updatedAt\") VALUES ('u2', 'u2@x', now())"),
    plant("application.super-admins", "INSERT INTO \"User\" (id, email, role, \"updatedAt\") VALUES ('r1', 'r1@x', 'SUPER_ADMIN', now()), ('r2', 'r2@x', 'SUPER_ADMIN', now())"),
    plant("application.tenant-key", "ALTER TABLE \"User\" DISABLE TRIGGER USER; SET session_replication_role = replica; DO $$ DECLARE c text; BEGIN \
         FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = '\"User\"'::regclass AND contype = 'c' LOOP EXECUTE format('ALTER TABLE \"User\" DROP CONSTRAINT %I', c); END LOOP; END $$; \
         UPDATE \"User\" SET \"tenantId\" = 'other' WHERE id = 'u1'; ALTER TABLE \"User\" ENABLE TRIGGER USER; RESET session_replication_role",
    )
    .also(&["application.drift"]),
    plant("application.api-keys", "UPDATE \"User\" SET \"apiKey\" = 'rylie1.k1.' || repeat('a', 120) WHERE id = 'u1'"),
    plant("application.quotas", "UPDATE \"User\" SET \"activePackageType\" = 'SILVER', \"pagesUsedThisPeriod\" = 99 WHERE id = 'u1'"),
    plant(
        "application.usage-counters",
        "UPDATE \"User\" SET \"activePackageType\" = 'GOLD', \"currentBillingPeriodStart\" = now() - interval '1 day', \"currentBillingPeriodEnd\" = now() + interval '20 days' WHERE id = 'u1'; \
         INSERT INTO \"UsageEvent\" (id, \"userId\", key, kind, \"countedAt\", \"tenantId\") VALUES ('e', 'u1', 'k', 'PAGE', now() - interval '1 hour', 'a1')",
    )
    .also(&["application.usage-archive"]),
    plant("application.usage-archive", "INSERT INTO \"MonthlyUsage\" (id, \"userId\", month, year, \"packageType\", \"pagesUsed\", \"blogsUsed\", \"gbpPostsUsed\", \"improvementsUsed\") VALUES ('m', 'u1', 5, 2026, 'GOLD', -1, 0, 0, 0)"),
    plant("application.usage-periods", "UPDATE \"User\" SET \"activePackageType\" = 'GOLD', \"currentBillingPeriodStart\" = now() - interval '50 days', \"currentBillingPeriodEnd\" = now() - interval '20 days' WHERE id = 'u1'"),
    plant(
        "application.purge-backlog",
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", deleted, \"deletedAt\") VALUES ('q', 'u1', 'a1', 't', 'd', 'x', now(), true, now() - interval '100 days')",
    ),
    plant("application.request-counts", "INSERT INTO \"RequestCount\" (\"tenantId\", status, requests) VALUES ('a1', 'PENDING', 1)"),
    plant("application.secrets-plain", "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('g', 'u1', 'ya29.canary', now())"),
    plant("application.secrets-plain", "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('g', 'u1', '00112233445566778899aabbccddeeff:00112233', now())"),
    plant("application.secrets-keys", "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('g', 'u1', 'rylie1.k1.short', now())"),
    plant("application.jobs-failing", "INSERT INTO rylie_job_runs (job, due, status, manual, finished, error) VALUES ('vacuum', now(), 'failed', false, now(), 'canary')"),
    plant("application.jobs-stuck", "INSERT INTO rylie_job_runs (job, due, status, manual, holder, started, leased_until) VALUES ('vacuum', now(), 'running', false, 'h', now(), now() - interval '1 hour')"),
    plant("application.alerts-undelivered", "INSERT INTO rylie_alert_deliveries (id, alert, target, event, threshold, value, created_at, error) VALUES ('d', 'x', 'mailto:a@x', 'crossed', 1, 2, now(), 'refused')"),
    plant("application.threshold-crossed", "INSERT INTO rylie_alerts (name, threshold, crossed, value, changed_at, checked_at) VALUES ('database_bytes', 1, true, 2, now(), now())"),
    plant("application.maintenance-mode", "UPDATE \"SystemSettings\" SET \"maintenanceMode\" = true"),
    plant("application.audit-logging", "UPDATE \"SystemSettings\" SET \"auditLogging\" = false"),
    plant("application.settings-row", "DELETE FROM \"SystemSettings\""),
    plant("application.coexistence", "UPDATE rylie_database SET state = 'coexistence', adopted_at = now() - interval '200 days'").also(&["application.drift"]),
    plant("application.drift", "DROP INDEX \"Request_pending_idx\""),
    plant("application.drift", "ALTER TABLE \"Task\" DROP CONSTRAINT \"Task_requestId_tenantId_fkey\""),
    plant("application.migrations", "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)"),
    plant("application.marker", "DELETE FROM rylie_database"),
    plant("application.orphans", "SET session_replication_role = replica; INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires, \"tenantId\") VALUES ('s', 's', 'ghost', now() + interval '1 day', 'a1'); RESET session_replication_role"),
];

/// Every database of ours has the obstacles to Citus. Each statement removes one.
pub(super) const OBSTACLES: &[Plant] = &[
    plant(
        "shardable.triggers",
        "DO $$ DECLARE g record; BEGIN FOR g IN SELECT tgname, tgrelid::regclass AS of FROM pg_trigger WHERE NOT tgisinternal AND tgrelid <> '\"AuditLog\"'::regclass LOOP \
         EXECUTE format('DROP TRIGGER %I ON %s', g.tgname, g.of); END LOOP; END $$",
    ),
    plant(
        "shardable.unique-keys",
        "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname, conrelid::regclass AS of FROM pg_constraint WHERE contype IN ('p', 'u') AND connamespace = 'public'::regnamespace LOOP \
         EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', c.of, c.conname); END LOOP; \
         FOR c IN SELECT indexrelid::regclass AS of FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid WHERE i.indisunique AND r.relnamespace = 'public'::regnamespace LOOP EXECUTE format('DROP INDEX %s CASCADE', c.of); END LOOP; END $$",
    ),
    plant("shardable.cascades", DROP_KEYS),
    plant("shardable.single-column-keys", DROP_KEYS),
    plant(
        "shardable.unit-roles",
        "ALTER ROLE rylie_tenant LOGIN; ALTER ROLE rylie_identity LOGIN; ALTER ROLE rylie_platform LOGIN",
    ),
    plant("shardable.audit-position", "DROP SEQUENCE rylie_audit_position CASCADE"),
    plant(
        "shardable.readers",
        "DO $$ DECLARE p record; BEGIN FOR p IN SELECT oid::regprocedure AS of FROM pg_proc WHERE proname ~ '^rylie_[a-z0-9_]+_by_id$' LOOP EXECUTE format('DROP FUNCTION %s', p.of); END LOOP; END $$",
    ),
];

const DROP_KEYS: &str = "DO $$ DECLARE k record; BEGIN FOR k IN SELECT conname, conrelid::regclass AS of FROM pg_constraint WHERE contype = 'f' LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', k.of, k.conname); END LOOP; END $$";

/// An obstacle that no database of ours has.
pub(super) const UNLIKE_KEYS: Plant =
    plant("shardable.unlike-keys", "CREATE TABLE odd (id int PRIMARY KEY, \"tenantId\" varchar(9))");
