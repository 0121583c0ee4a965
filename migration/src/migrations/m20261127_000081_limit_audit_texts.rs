//! Limits the texts of new audit records. A record of a gigabyte costs its writer nothing and could be neither sealed nor
//! listed.
//!
//! A short text has at most 1 MiB, the details 16 MiB as text. On PostgreSQL this holds for the roles of the units, which
//! every login of a service writes by. The old service's logins in an adopted database keep working as before. Existing
//! records stay.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// The columns with a short text, in the order in which they are named in an error.
const SHORT: [&str; 10] = [
    "id",
    "tenantId",
    "action",
    "resource",
    "userId",
    "onBehalfOf",
    "ipAddress",
    "userAgent",
    "correlationId",
    "resourceId",
];

const MOST: u32 = 1 << 20;
const MOST_OF_DETAILS: u32 = 16 << 20;

pub(crate) struct LimitAuditTexts;

impl Migration for LimitAuditTexts {
    fn name(&self) -> &'static str {
        "m20261127_000081_limit_audit_texts"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            // Runs with the writer's rights, since it checks the writer's role.
            Engine::Postgres => {
                let lengths: Vec<String> = SHORT.iter().map(|name| format!("octet_length(NEW.\"{name}\")")).collect();
                vec![
                    Step::sql(format!(
                        "CREATE OR REPLACE FUNCTION public.rylie_audit_size() RETURNS trigger LANGUAGE plpgsql \
                         SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN \
                         IF (greatest({}) > {MOST} OR octet_length(NEW.details::text) > {MOST_OF_DETAILS}) \
                         AND current_user IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_sealer') \
                         THEN RAISE EXCEPTION 'a text of the audit record is too long: at most 1 MiB, and 16 MiB of details' \
                         USING ERRCODE = 'string_data_right_truncation'; END IF; RETURN NEW; END $$",
                        lengths.join(", ")
                    )),
                    Step::sql("ALTER FUNCTION public.rylie_audit_size() OWNER TO CURRENT_USER"),
                    Step::sql(
                        "CREATE OR REPLACE TRIGGER \"AuditLog_size\" BEFORE INSERT ON \"AuditLog\" FOR EACH ROW \
                         EXECUTE FUNCTION public.rylie_audit_size()",
                    ),
                ]
            }
            Engine::Sqlite => {
                // Not `octet_length`, which programs of before 2023 lack.
                let longer = |name: &str, most: u32| format!("length(CAST(NEW.\"{name}\" AS BLOB)) > {most}");
                let mut longer: Vec<String> =
                    SHORT.iter().map(|name| longer(name, MOST)).chain([longer("details", MOST_OF_DETAILS)]).collect();
                longer.extend(
                    ["createdAt", "position"].map(|name| format!("length(CAST(NEW.\"{name}\" AS BLOB)) > {MOST}")),
                );
                vec![Step::sql(format!(
                    "CREATE TRIGGER \"AuditLog_size\" BEFORE INSERT ON \"AuditLog\" WHEN {} \
                     BEGIN SELECT RAISE(ABORT, 'a text of the audit record is too long: at most 1 MiB, and 16 MiB of details'); END",
                    longer.join(" OR ")
                ))]
            }
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![
                Step::sql("DROP TRIGGER IF EXISTS \"AuditLog_size\" ON \"AuditLog\""),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_size()"),
            ],
            Engine::Sqlite => vec![Step::sql("DROP TRIGGER IF EXISTS \"AuditLog_size\"")],
        }
    }
}
