//! A database with the logins of a service that followed the operations guide.

use rylie_migration::{AdoptOptions, Catalog};
use rylie_testkit::{Cluster, PostgresDatabase};

use crate::support::logins::give_away;
use crate::support::old_service::{fill, make_base};
use crate::support::raw::{Outcome, Raw};
use crate::support::sql::{Sql, migrations};

/// The guide's statements. Roles belong to the server, so each test uses unique names.
const GUIDE: &str = "CREATE USER rylie_app WITH PASSWORD 'secure_password';
GRANT CONNECT ON DATABASE rylie_seo_hub TO rylie_app;
GRANT USAGE ON SCHEMA public TO rylie_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO rylie_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO rylie_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rylie_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO rylie_app;
CREATE USER rylie_readonly WITH PASSWORD 'readonly_password';
GRANT CONNECT ON DATABASE rylie_seo_hub TO rylie_readonly;
GRANT USAGE ON SCHEMA public TO rylie_readonly;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rylie_readonly;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO rylie_readonly;";

/// Writes of an old service's login, each in a transaction that is rolled back.
const WRITES: [&str; 19] = [
    "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('n', 'n', now()) RETURNING id",
    "INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('n', 'n@x', 'a1', now()) RETURNING id",
    "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES ('n', 'ann', 'a1', 't', 'd', 'x', now()) RETURNING id",
    "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('n', 'ann', 'r-ann', 't', 'BLOG', now()) RETURNING id",
    "INSERT INTO \"SEOWorksTaskMapping\" (id, \"requestId\", \"seoworksTaskId\", \"taskType\", \"updatedAt\") VALUES ('n', 'r-bob', 'n', 'x', now()) RETURNING id",
    "INSERT INTO \"Account\" (id, \"userId\", type, provider, \"providerAccountId\") VALUES ('n', 'bob', 'oauth', 'google', 'n') RETURNING id",
    "INSERT INTO \"Session\" (id, \"userId\", \"sessionToken\", expires) VALUES ('n', 'solo', 'n', now()) RETURNING id",
    "INSERT INTO \"VerificationToken\" (identifier, token, expires) VALUES ('n', 'n', now()) RETURNING token",
    "INSERT INTO \"SystemSettings\" (id, \"updatedAt\") VALUES ('n', now()) RETURNING id",
    "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('n', 'ann', 'x', 'y') RETURNING id",
    "INSERT INTO \"Session\" (id, \"userId\", \"sessionToken\", expires) VALUES ('c-ann', 'ann', 'u', now()) ON CONFLICT (id) DO UPDATE SET \"sessionToken\" = 'u' RETURNING id",
    "UPDATE \"User\" SET \"agencyId\" = 'a2' WHERE id = 'ann' RETURNING id",
    "UPDATE \"Request\" SET title = 'u', \"agencyId\" = 'a2' WHERE id = 'r-ann' RETURNING id",
    "UPDATE \"Task\" SET \"requestId\" = 'r-bob' WHERE id = 't-ann' RETURNING id",
    "UPDATE \"GA4Connection\" SET \"accessToken\" = 'u' WHERE id = 'c-ann' RETURNING id",
    "UPDATE \"MonthlyUsage\" SET \"pagesUsed\" = 9 WHERE id = 'c-ann' RETURNING id",
    "DELETE FROM \"Task\" WHERE id = 't-ann' RETURNING id",
    "DELETE FROM \"Request\" WHERE id = 'r-ann' RETURNING id",
    "DELETE FROM \"Agency\" WHERE id = 'a2' RETURNING id",
];

pub(super) struct Place {
    pub(super) database: PostgresDatabase,
    pub(super) owner: String,
    pub(super) app: String,
    pub(super) readonly: String,
}

/// Creates a database as Prisma does, owned by a plain role, with the guide's logins.
pub(super) async fn of_the_guide(cluster: &Cluster) -> Place {
    let database = cluster.empty_database().await.unwrap();
    make_base(&database.url()).await;
    fill(&mut Sql::connect(&database.url()).await).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;
    let (app, readonly) = (format!("{}_app", database.name()), format!("{}_readonly", database.name()));
    let guide = GUIDE.replace("rylie_app", &app).replace("rylie_readonly", &readonly);
    let guide = guide.replace("rylie_seo_hub", &format!("\"{}\"", database.name()));
    for statement in guide.lines() {
        let by_owner = statement.starts_with("ALTER DEFAULT");
        if by_owner { Raw::connect(&owner).await.run(statement).await } else { raw.run(statement).await }
    }
    Place { owner, app: database.url_as(&app), readonly: database.url_as(&readonly), database }
}

/// Creates a database whose owner creates everything and is no superuser, as on a managed server. An owner who may not
/// create roles gets the logins from the provider.
pub(super) async fn on_a_managed_server(cluster: &Cluster, attribute: &str) -> Place {
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    make_base(&owner).await;
    fill(&mut Sql::connect(&owner).await).await;
    let (app, readonly) = (format!("{}_app", database.name()), format!("{}_readonly", database.name()));
    let guide = GUIDE.replace("rylie_app", &app).replace("rylie_readonly", &readonly);
    let guide = guide.replace("rylie_seo_hub", &format!("\"{}\"", database.name()));
    let mut by_owner = Raw::connect(&owner).await;
    for statement in guide.lines() {
        by_owner.run(statement).await;
    }
    let name = database.managed_owner_name();
    Raw::connect(&database.url()).await.run(&format!("ALTER ROLE \"{name}\" {attribute}")).await;
    Place { owner, app: database.url_as(&app), readonly: database.url_as(&readonly), database }
}

impl Place {
    pub(super) fn url(&self) -> String {
        self.database.url()
    }

    pub(super) async fn adopt(&self) {
        migrations(&self.url()).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    }

    /// Creates a login for this test.
    pub(super) async fn login(&self, suffix: &str, rights: &str) -> String {
        let name = format!("{}_{suffix}", self.database.name());
        let sql = rights.replace('$', &name);
        Raw::connect(&self.url()).await.run(&format!("CREATE ROLE \"{name}\" LOGIN; {sql}")).await;
        self.database.url_as(&name)
    }
}

pub(super) async fn everything_read(url: &str) -> Vec<(String, Outcome)> {
    let mut raw = Raw::connect(url).await;
    let mut seen = Vec::new();
    for table in Catalog::base().tables.into_keys() {
        let column = if table == "VerificationToken" { "token" } else { "id" };
        // Operators' events come and go with the adoption.
        let of_users = if table == "AuditLog" { "WHERE \"userId\" NOT LIKE 'operator:%'" } else { "" };
        let rows = raw.rows(&format!("SELECT {column} FROM \"{table}\" {of_users} ORDER BY 1")).await;
        seen.push((table, rows));
    }
    seen
}

pub(super) async fn everything_written(url: &str) -> Vec<(&'static str, Outcome)> {
    let mut raw = Raw::connect(url).await;
    let mut seen = Vec::new();
    for sql in WRITES {
        raw.run("BEGIN").await;
        seen.push((sql, raw.rows(sql).await));
        raw.run("ROLLBACK").await;
    }
    seen
}
