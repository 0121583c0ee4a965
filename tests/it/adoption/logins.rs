//! The logins of a service that followed the operations guide keep their access on an adopted database.

use rylie_migration::{AdoptOptions, CheckStatus, Error, Login, Provision, Refusal, RoleCheck, Sees};
use rylie_testkit::Cluster;

use super::guide::{Place, everything_read, everything_written, of_the_guide};
use crate::support::raw::{DENIED, Raw};
use crate::support::sql::{Sql, deploy, migrations};

#[tokio::test]
async fn the_guides_logins_do_what_they_did_before_the_adoption() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    assert!(written.iter().all(|(_, outcome)| outcome.as_ref().is_ok_and(|rows| rows.len() == 1)), "{written:?}");
    let reported = everything_read(&place.readonly).await;

    place.adopt().await;

    assert_eq!(everything_read(&place.app).await, read);
    assert_eq!(everything_written(&place.app).await, written);
    assert_eq!(everything_read(&place.readonly).await, reported);
    let mut readonly = Raw::connect(&place.readonly).await;
    assert_eq!(readonly.rows("UPDATE \"Request\" SET title = 'u'").await, Err(DENIED.to_owned()));

    // A later deploy, by a superuser and by the owner.
    for url in [place.url(), place.owner.clone()] {
        deploy(&url).await;
        assert_eq!(everything_read(&place.app).await, read);
        assert_eq!(everything_written(&place.app).await, written);
    }
}

#[tokio::test]
async fn a_plain_owner_adopts_and_a_superuser_builds_row_security_later() {
    let place = of_the_guide(&Cluster::private().await.unwrap()).await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    migrations(&place.owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    assert_eq!(everything_written(&place.app).await, written);

    deploy(&place.url()).await;

    assert_eq!(migrations(&place.url()).await.missing_row_security().await.unwrap(), None);
    assert_eq!(everything_read(&place.app).await, read);
    assert_eq!(everything_written(&place.app).await, written);
}

/// By role, by `SET ROLE`, by PUBLIC, by predefined roles, by columns, without the right to read a parent, and granted
/// later.
#[tokio::test]
async fn every_other_way_to_a_right_stays_open() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let app = format!("{}_app", place.database.name());
    let member = place.login("member", &format!("GRANT \"{app}\" TO \"$\"")).await;
    let taker = place.login("taker", &format!("ALTER ROLE \"$\" NOINHERIT; GRANT \"{app}\" TO \"$\"")).await;
    let own = place.login("own", "ALTER ROLE \"$\" NOINHERIT; GRANT SELECT ON \"Task\" TO \"$\"").await;
    let monitor = place.login("monitor", "GRANT pg_read_all_data TO \"$\"").await;
    let columns = place
        .login("columns", "GRANT SELECT (id, title), UPDATE (title) ON \"Request\" TO \"$\"; GRANT INSERT ON \"AuditLog\", \"Task\" TO \"$\"; GRANT UPDATE (\"requestId\"), SELECT (id) ON \"Task\" TO \"$\"")
        .await;
    let exempt = place.login("exempt", "ALTER ROLE \"$\" BYPASSRLS; GRANT SELECT ON \"Request\" TO \"$\"").await;
    let public = place.login("public", "GRANT SELECT ON \"SEOWorksTaskMapping\" TO PUBLIC").await;
    let requests = ["r-ann", "r-bob", "r-solo"].map(str::to_owned).to_vec();

    place.adopt().await;

    let later = place.login("later", &format!("GRANT \"{app}\" TO \"$\"")).await;
    let granted = place.login("granted", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"$\"").await;
    let all = "SELECT id FROM \"Request\" ORDER BY 1";
    for url in [&member, &monitor, &exempt, &later, &granted] {
        assert_eq!(Raw::connect(url).await.rows(all).await.as_ref(), Ok(&requests), "{url}");
    }
    let mut taker = Raw::connect(&taker).await;
    assert_eq!(taker.rows(all).await, Err(DENIED.to_owned()));
    taker.run(&format!("SET ROLE \"{app}\"")).await;
    assert_eq!(taker.rows(all).await.as_ref(), Ok(&requests));
    assert_eq!(Raw::connect(&own).await.rows("SELECT id FROM \"Task\"").await.unwrap().len(), 3);
    assert_eq!(Raw::connect(&public).await.rows("SELECT id FROM \"SEOWorksTaskMapping\"").await.unwrap().len(), 3);

    let mut columns = Raw::connect(&columns).await;
    assert_eq!(columns.rows("SELECT id, title FROM \"Request\" ORDER BY 1").await, Ok(requests));
    columns.run("UPDATE \"Request\" SET title = 'u' WHERE id = 'r-bob'").await;
    columns.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('q', 'bob', 'x', 'y')").await;
    columns.run("INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('q', 'bob', 'r-bob', 't', 'BLOG', now())").await;
    columns.run("UPDATE \"Task\" SET \"requestId\" = 'r-ann' WHERE id = 'q'").await;
    let mut sql = Sql::connect(&place.url()).await;
    assert_eq!((sql.tenant("AuditLog", "q").await, sql.tenant("Task", "q").await), ("a2".to_owned(), "a1".to_owned()));
}

/// The policy for the old service's logins shows no row to our roles and provisioned logins.
#[tokio::test]
async fn our_own_roles_are_bound_as_on_a_database_of_ours() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    place.adopt().await;
    let mut raw = Raw::connect(&place.url()).await;

    for table in ["Request", "User", "Task", "MonthlyUsage", "AuditLog", "Agency"] {
        let own = format!("SELECT DISTINCT \"tenantId\" FROM \"{table}\"");
        assert_eq!(raw.as_tenant("a1", &own).await, Ok(vec!["a1".to_owned()]), "{table}");
        assert_eq!(raw.as_role("rylie_tenant", "SELECT 1", &own).await, Ok(vec![]), "{table}");
    }
    assert_eq!(
        raw.as_tenant("a1", "UPDATE \"Request\" SET title = 'u' RETURNING id").await,
        Ok(vec!["r-ann".to_owned()])
    );
    assert_eq!(raw.as_tenant("a1", "DELETE FROM \"Task\" RETURNING id").await, Ok(vec!["t-ann".to_owned()]));
    // A parent of another tenant is refused like a missing one.
    for parent in ["r-bob", "nowhere"] {
        let task = format!(
            "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('n', 'ann', '{parent}', 't', 'BLOG', now())"
        );
        assert_eq!(raw.as_tenant("a1", &task).await, Err(DENIED.to_owned()), "{parent}");
        let moved = format!("UPDATE \"Task\" SET \"requestId\" = '{parent}' WHERE id = 't-ann'");
        assert_eq!(raw.as_tenant("a1", &moved).await, Err(DENIED.to_owned()), "{parent}");
    }
    // The policy of an inherited role applies to an inheriting member.
    let heir = place.login("heir", "GRANT rylie_tenant TO \"$\"").await;
    assert_eq!(Raw::connect(&heir).await.rows("SELECT id FROM \"Request\"").await, Ok(vec![]));
    // The policy is not part of the tenant's plan.
    let plan = raw.as_tenant("a1", "SET LOCAL enable_seqscan = off; EXPLAIN SELECT id FROM \"Request\"").await.unwrap();
    assert!(plan.iter().any(|line| line.contains("Index Cond") && line.contains("rylie.tenant")), "{plan:?}");
    assert!(!plan.iter().any(|line| line.contains("foreign_role")), "{plan:?}");

    // A plan for one role does not serve the other.
    raw.run(&format!("PREPARE everything AS SELECT id FROM \"Request\"; GRANT \"{0}_app\" TO CURRENT_USER; SET plan_cache_mode = force_generic_plan", place.database.name())).await;
    let by_app = raw.as_role(&format!("\"{}_app\"", place.database.name()), "SELECT 1", "EXECUTE everything").await;
    assert_eq!(by_app.unwrap().len(), 3);
    assert_eq!(raw.as_tenant("a1", "EXECUTE everything").await.unwrap(), ["r-ann"]);
}

#[tokio::test]
async fn the_end_of_the_adoption_closes_the_tables_to_them() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let found = migrations(&place.owner).await.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await.unwrap();
    let of = |suffix: &str| format!("{}_{suffix}", place.database.name());
    let login = |name: &str| {
        found.logins.iter().find(|login| login.login == name).unwrap_or_else(|| panic!("{name}: {found:?}"))
    };
    let (app, readonly) = (login(&of("app")), login(&of("readonly")));
    assert!(
        app.via.contains(&"direct grant".to_owned()) && app.via.iter().any(|via| via.contains("default privileges")),
        "{app:?}"
    );
    assert!(app.rights.contains(&"Request: DELETE, INSERT, SELECT, UPDATE".to_owned()), "{app:?}");
    assert!(readonly.rights.contains(&"SystemSettings: SELECT".to_owned()), "{readonly:?}");
    assert_eq!((app.loses_at_finish.len(), readonly.loses_at_finish.len()), (12, 12));
    assert_eq!(login(&of("owner")).loses_at_finish.len(), 12);
    place.adopt().await;
    let mut app = Raw::connect(&place.app).await;
    assert_eq!(app.rows("SELECT id FROM \"Request\"").await.unwrap().len(), 3);

    let refused = migrations(&place.url()).await.refuse_open_sessions().await;
    assert!(matches!(&refused, Err(Error::Refused(Refusal::OpenSessions { .. }))), "{refused:?}");
    assert!(migrations(&place.url()).await.finish_adoption(&mut |_| ()).await.unwrap());

    assert_eq!(app.rows("SELECT id FROM \"Request\"").await, Ok(vec![]));
    assert_eq!(Raw::connect(&place.owner).await.rows("SELECT id FROM \"Request\"").await, Ok(vec![]));
    let mut raw = Raw::connect(&place.url()).await;
    let left = "SELECT proname::text FROM pg_proc WHERE proname = 'rylie_is_foreign_role' \
         UNION SELECT polname::text FROM pg_policy WHERE polname = 'rylie_coexistence' \
         UNION SELECT proname::text FROM pg_proc WHERE proname LIKE 'rylie_tenant_%' AND prosecdef";
    assert_eq!(raw.rows(left).await, Ok(vec![]));
    assert_eq!(raw.as_tenant("a1", "SELECT id FROM \"Request\"").await.unwrap(), ["r-ann"]);
    assert_eq!(drifted(&place).await, Vec::<String>::new());
    assert_eq!(migrations(&place.url()).await.refuse_open_sessions().await.map_err(|error| error.to_string()), Ok(()));
}

/// Row-level security covers neither the tables without tenant key nor `TRUNCATE`, which a new login must not have.
#[tokio::test]
async fn rights_past_row_level_security_are_named_and_a_provisioned_login_loses_them() {
    let place = of_the_guide(&Cluster::private().await.unwrap()).await;
    let app = format!("{}_app", place.database.name());
    let hand = place
        .login(
            "hand",
            "GRANT TRUNCATE, SELECT ON \"Request\" TO \"$\"; GRANT SELECT (id) ON \"SystemSettings\" TO \"$\"",
        )
        .await;
    place.adopt().await;
    let logins = migrations(&place.owner).await.logins().await.unwrap();
    let kept = |name: &str| &logins.iter().find(|login| login.login.ends_with(name)).unwrap().keeps_after_finish;
    assert_eq!(
        *kept("_app"),
        ["SystemSettings", "VerificationToken"]
            .map(|table| format!("REVOKE DELETE, INSERT, SELECT, UPDATE ON \"{table}\" FROM {app}"))
    );
    assert_eq!(kept("_hand").len(), 2);
    assert!(migrations(&place.url()).await.finish_adoption(&mut |_| ()).await.unwrap());
    let mut raw = Raw::connect(&place.url()).await;
    for statement in kept("_hand") {
        raw.run(statement).await;
    }
    assert_eq!(Raw::connect(&hand).await.rows("TRUNCATE \"Request\"").await, Err(DENIED.to_owned()));

    let warned = old_rights(&place).await;
    assert!(warned.detail.contains(&app) && !warned.detail.contains("_hand"), "{warned:?}");
    for name in [&app, &format!("{}_readonly", place.database.name())] {
        let login = Some(Login { name: name.clone(), password: None });
        let app = login.clone().filter(|_| name.ends_with("_app"));
        let readonly = login.filter(|_| name.ends_with("_readonly"));
        let wanted = Provision { app, readonly, ..Provision::default() };
        migrations(&place.url()).await.provision(&wanted).await.unwrap();
    }

    let mut service = Raw::connect(&place.app).await;
    for sql in
        ["SELECT token FROM \"VerificationToken\"", "SELECT id FROM \"Request\"", "DELETE FROM \"SystemSettings\""]
    {
        assert_eq!(service.rows(sql).await, Err(DENIED.to_owned()), "{sql}");
    }
    assert_eq!(old_rights(&place).await.status, CheckStatus::Ok);
    Raw::connect(&place.owner).await.run("CREATE TABLE later (id int)").await;
    assert_eq!(service.rows("SELECT id FROM later").await, Err(DENIED.to_owned()));
}

async fn old_rights(place: &Place) -> RoleCheck {
    let checks = migrations(&place.url()).await.check_roles().await.unwrap();
    checks.into_iter().find(|check| check.id == "roles.old_rights").unwrap()
}

/// A view and a function that run as their owner read what the owner may.
#[tokio::test]
async fn a_login_that_reads_through_a_view_or_a_function_loses_rows_too() {
    let place = of_the_guide(&Cluster::private().await.unwrap()).await;
    let views = "CREATE ROLE bi; GRANT SELECT ON \"Request\", \"Task\" TO bi; CREATE SCHEMA bi AUTHORIZATION bi; GRANT USAGE ON SCHEMA bi TO \"$\"; SET ROLE bi; \
         CREATE VIEW bi.requests AS SELECT id, status FROM public.\"Request\"; CREATE VIEW bi.outer_one AS SELECT id FROM bi.requests; \
         CREATE VIEW bi.own_rights WITH (security_invoker = true) AS SELECT id FROM public.\"User\"; \
         CREATE FUNCTION bi.tasks() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM public.\"Task\"'; \
         REVOKE EXECUTE ON FUNCTION bi.tasks() FROM PUBLIC; GRANT SELECT ON bi.outer_one, bi.own_rights TO \"$\"; GRANT EXECUTE ON FUNCTION bi.tasks() TO \"$\"; RESET ROLE";
    let report = place.login("report", views).await;
    place.adopt().await;
    let mut report = Raw::connect(&report).await;
    assert_eq!(report.rows("SELECT id FROM bi.outer_one").await.unwrap().len(), 3);

    let logins = migrations(&place.owner).await.logins().await.unwrap();
    let found = logins.iter().find(|login| login.login.ends_with("_report")).unwrap();
    assert_eq!(found.via, ["function bi.tasks()", "view bi.outer_one"]);
    assert_eq!(found.loses_at_finish, ["Request", "Task"]);

    assert!(migrations(&place.url()).await.finish_adoption(&mut |_| ()).await.unwrap());
    assert_eq!(report.rows("SELECT id FROM bi.outer_one").await, Ok(vec![]));
    assert_eq!(report.rows("SELECT bi.tasks()::text").await.unwrap(), ["0"]);
}

/// Adopted by a version that did not handle such logins.
#[tokio::test]
async fn the_next_deploy_repairs_what_an_earlier_version_adopted() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    place.adopt().await;
    let mut raw = Raw::connect(&place.url()).await;
    for table in raw.rows("SELECT tablename FROM pg_policies WHERE policyname = 'rylie_coexistence'").await.unwrap() {
        raw.run(&format!("DROP POLICY rylie_coexistence ON \"{table}\"")).await;
    }
    let app = format!("{}_app", place.database.name());
    raw.run(&format!("GRANT ALL ON rylie_database, rylie_audit_batch, seaql_migrations TO \"{app}\"")).await;
    assert_eq!(Raw::connect(&place.app).await.rows("SELECT id FROM \"Request\"").await, Ok(vec![]));
    let named = drifted(&place).await;
    assert!(named.contains(&"policy Request.rylie_coexistence".to_owned()), "{named:?}");
    assert!(named.contains(&format!("rights of {app} on table rylie_database")), "{named:?}");
    assert_eq!(named.len(), 15, "{named:?}");

    deploy(&place.owner).await;

    assert_eq!(everything_read(&place.app).await, read);
    assert_eq!(everything_written(&place.app).await, written);
    assert_eq!(drifted(&place).await, Vec::<String>::new());
}

/// A provisioned login sees no row by grants alone. A login of the old service cannot be provisioned.
#[tokio::test]
async fn provisioned_logins_are_bound_while_the_old_service_works() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    place.adopt().await;
    let login = |name: String| Some(Login { name, password: None });
    let (app, reader) = (format!("{}_new", place.database.name()), format!("{}_one", place.database.name()));
    let sees = Some(Sees::Tenant("a1".to_owned()));
    let wanted = Provision { app: login(app.clone()), readonly: login(reader.clone()), sees, ..Provision::default() };
    migrations(&place.url()).await.provision(&wanted).await.unwrap();
    let mut raw = Raw::connect(&place.url()).await;
    raw.run(&format!("GRANT SELECT ON \"Request\" TO \"{app}\"")).await;

    let requests = "SELECT id FROM \"Request\"";
    assert_eq!(Raw::connect(&place.database.url_as(&app)).await.rows(requests).await, Ok(vec![]));
    assert_eq!(Raw::connect(&place.database.url_as(&reader)).await.rows(requests).await.unwrap(), ["r-ann"]);
    assert_eq!(Raw::connect(&place.app).await.rows(requests).await.unwrap().len(), 3);
    assert_eq!(drifted(&place).await, Vec::<String>::new());

    let old = Provision { app: login(format!("{}_app", place.database.name())), ..Provision::default() };
    let refused = migrations(&place.url()).await.provision(&old).await;
    assert!(matches!(&refused, Err(Error::Refused(Refusal::UnsafeRole { .. }))), "{refused:?}");
    assert_eq!(Raw::connect(&place.app).await.rows(requests).await.unwrap().len(), 3);
}

/// Default privileges would open tables that a deploy creates.
#[tokio::test]
async fn our_own_tables_are_closed_to_the_guides_logins() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let (app, readonly) = (format!("{}_app", place.database.name()), format!("{}_readonly", place.database.name()));
    let mut owner = Raw::connect(&place.owner).await;
    owner
        .run(&format!(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO \"{app}\" WITH GRANT OPTION"
        ))
        .await;
    owner.run("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC").await;
    migrations(&place.owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    let mut service = Raw::connect(&place.app).await;
    for sql in [
        "UPDATE rylie_database SET environment = 'development'",
        "DELETE FROM rylie_audit_pending",
        "INSERT INTO rylie_audit_batch (batch) VALUES (1)",
        "SELECT login FROM rylie_logins",
        "SELECT 1 FROM \"UsageEvent\"",
        "SELECT version FROM seaql_migrations",
        "SELECT nextval('rylie_audit_position')",
        "SELECT rylie_audit_erase('x', 'who', '')",
    ] {
        assert_eq!(service.rows(sql).await, Err(DENIED.to_owned()), "{sql}");
    }
    assert_eq!(open_to(&place, &app).await, Vec::<String>::new());
    assert_eq!(open_to(&place, &readonly).await, Vec::<String>::new());
    // Only a superuser may create the database roles.
    deploy(&place.url()).await;
    assert_eq!(drifted(&place).await, Vec::<String>::new());

    // Manual grants: with a grant option that was passed on, to PUBLIC, on a column and on a sequence.
    let mut raw = Raw::connect(&place.url()).await;
    raw.run(&format!("GRANT SELECT, UPDATE ON rylie_database TO \"{app}\" WITH GRANT OPTION; GRANT USAGE ON SEQUENCE rylie_audit_position TO \"{readonly}\"; \
        GRANT UPDATE (error) ON rylie_job_runs TO \"{readonly}\"; GRANT EXECUTE ON FUNCTION rylie_audit_erase(text, text, bytea) TO \"{app}\"")).await;
    service.run(&format!("GRANT UPDATE ON rylie_database TO \"{readonly}\"")).await;
    let drifted_now = drifted(&place).await;
    assert_eq!(drifted_now.len(), 5, "{drifted_now:?}");
    let checks = migrations(&place.url()).await.check_roles().await.unwrap();
    let check = checks.iter().find(|check| check.id == "roles.grants").unwrap();
    assert!(check.detail.contains(&app) && check.detail.contains(&readonly), "{check:?}");

    deploy(&place.owner).await;

    assert_eq!(open_to(&place, &app).await, Vec::<String>::new());
    assert_eq!(open_to(&place, &readonly).await, Vec::<String>::new());
    assert_eq!(drifted(&place).await, Vec::<String>::new());
}

async fn drifted(place: &Place) -> Vec<String> {
    let drift = migrations(&place.url()).await.drift().await.unwrap();
    drift.differences.into_iter().map(|difference| difference.object).collect()
}

/// Lists our objects on which a role has its own right.
async fn open_to(place: &Place, role: &str) -> Vec<String> {
    let sql = format!(
        "SELECT relname || ' ' || privilege_type FROM pg_class c, aclexplode(relacl) e WHERE e.grantee = '\"{role}\"'::regrole \
         AND relnamespace = 'public'::regnamespace AND (relname LIKE 'rylie%' OR relname IN ('seaql_migrations', 'UsageEvent', 'IdempotencyKey', 'RequestCount')) \
         UNION SELECT proname || ' ' || privilege_type FROM pg_proc, aclexplode(proacl) e WHERE e.grantee = '\"{role}\"'::regrole AND proname LIKE 'rylie%' \
         UNION SELECT relname || ' PUBLIC' FROM pg_class c, aclexplode(relacl) e WHERE e.grantee = 0 AND relname LIKE 'rylie%'"
    );
    Raw::connect(&place.url()).await.rows(&sql).await.unwrap()
}

/// The guide's login has every right on the audit log, and its trigger refuses each change.
#[tokio::test]
async fn the_rights_of_old_logins_on_the_audit_log_are_a_warning_until_the_end() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    place.adopt().await;
    let audit_log = async || {
        let checks = migrations(&place.url()).await.check_roles().await.unwrap();
        checks.into_iter().find(|check| check.id == "roles.audit_log").unwrap()
    };
    let shared = audit_log().await;
    assert_eq!(shared.status, CheckStatus::Warn);
    assert!(shared.detail.contains("its trigger refuses each change"), "{shared:?}");
    let change = "UPDATE \"AuditLog\" SET action = action";
    assert!(Raw::connect(&place.app).await.rows(change).await.is_err());

    assert!(migrations(&place.url()).await.finish_adoption(&mut |_| ()).await.unwrap());
    Raw::connect(&place.url())
        .await
        .run(&format!("GRANT DELETE ON \"AuditLog\" TO \"{}_app\"", place.database.name()))
        .await;
    assert_eq!(audit_log().await.status, CheckStatus::Fail);
}
