//! Two functions for sessions: one looks a token up, and one checks that a known session still belongs to its user.
//!
//! The check stands at the beginning of a unit's own text, so that sign-in and first read are one round trip. Session,
//! user, role and tenant are checked in the transaction that reads. The text contains the SHA-256 of the token, never
//! the token. Both functions assume the identity role, and run with their caller's rights; the text then assumes the
//! tenant role. Services of the version before call `rylie_signed_in`, which has no session's id and stays.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const FIND: &str = "public.rylie_session(text, timestamp)";
const HOLD: &str = "public.rylie_hold_session(text, text, text, text, text, text, timestamp)";

pub(crate) struct HoldSession;

impl Migration for HoldSession {
    fn name(&self) -> &'static str {
        "m20261128_000084_hold_session"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            // The table owner must own them, even if another role created one of that name before: the service runs
            // them with its own rights.
            Engine::Postgres => vec![
                Step::sql(find()),
                Step::sql(hold()),
                Step::sql(format!("ALTER FUNCTION {FIND} OWNER TO CURRENT_USER")),
                Step::sql(format!("ALTER FUNCTION {HOLD} OWNER TO CURRENT_USER")),
            ],
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                [HOLD, FIND].map(|function| Step::sql(format!("DROP FUNCTION IF EXISTS {function}"))).into()
            }
            Engine::Sqlite => Vec::new(),
        }
    }
}

const ASSUME: &str =
    "PERFORM pg_catalog.set_config('role', 'rylie_identity', true), pg_catalog.set_config('rylie.tenant', '', true);";

fn find() -> String {
    format!(
        "CREATE OR REPLACE FUNCTION public.rylie_session(token text, at timestamp) \
         RETURNS TABLE (id text, role text, \"agencyId\" text, \"tenantId\" text, session text) LANGUAGE plpgsql ROWS 1 \
         SET search_path = pg_catalog, public, pg_temp \
         AS $$ BEGIN {ASSUME} \
         RETURN QUERY SELECT u.id, u.role::text, u.\"agencyId\", u.\"tenantId\", s.id FROM public.\"Session\" s \
         JOIN public.\"User\" u ON u.id = s.\"userId\" WHERE s.\"sessionToken\" = token AND s.expires > at LIMIT 1; \
         END $$"
    )
}

/// Returns the function that fails unless all values hold.
fn hold() -> String {
    format!(
        "CREATE OR REPLACE FUNCTION public.rylie_hold_session(session text, digest text, holder text, is_role text, agency text, tenant text, at timestamp) \
         RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp \
         AS $$ BEGIN {ASSUME} \
         IF NOT EXISTS (SELECT FROM public.\"Session\" s JOIN public.\"User\" u ON u.id = s.\"userId\" \
         WHERE s.id = session AND s.\"userId\" = holder AND s.expires > at AND u.role::text = is_role \
         AND u.\"agencyId\" IS NOT DISTINCT FROM agency AND u.\"tenantId\" = tenant \
         AND pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(s.\"sessionToken\", 'UTF8')), 'hex') = digest) THEN \
         RAISE EXCEPTION 'the session has ended, or its user has changed' USING ERRCODE = 'RY401'; \
         END IF; END $$"
    )
}
