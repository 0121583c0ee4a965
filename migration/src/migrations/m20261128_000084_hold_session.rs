//! A function that checks that a session still belongs to the user for whom a unit is about to read.
//!
//! It stands at the beginning of the unit's own text, so that sign-in and first read are one round trip. Session, user,
//! role and tenant are checked in the transaction that reads. The text contains the SHA-256 of the token, never the
//! token. The function assumes the identity role, and runs with its caller's rights; the text then assumes the tenant
//! role.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const SIGNATURE: &str = "public.rylie_hold_session(text, text, text, text, text, timestamp)";

pub(crate) struct HoldSession;

impl Migration for HoldSession {
    fn name(&self) -> &'static str {
        "m20261128_000084_hold_session"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            // The table owner must own it, even if another role created one of that name before: the service runs it
            // with its own rights.
            Engine::Postgres => {
                vec![Step::sql(function()), Step::sql(format!("ALTER FUNCTION {SIGNATURE} OWNER TO CURRENT_USER"))]
            }
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql(format!("DROP FUNCTION IF EXISTS {SIGNATURE}"))],
            Engine::Sqlite => Vec::new(),
        }
    }
}

/// Returns the function. It fails unless all values hold. It hashes the tokens of the user's sessions only.
fn function() -> String {
    "CREATE OR REPLACE FUNCTION public.rylie_hold_session(digest text, holder text, is_role text, agency text, tenant text, at timestamp) \
     RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp \
     AS $$ BEGIN \
     PERFORM pg_catalog.set_config('role', 'rylie_identity', true), pg_catalog.set_config('rylie.tenant', '', true); \
     IF NOT EXISTS (SELECT FROM public.\"Session\" s JOIN public.\"User\" u ON u.id = s.\"userId\" \
     WHERE s.\"userId\" = holder AND s.expires > at AND u.role::text = is_role \
     AND u.\"agencyId\" IS NOT DISTINCT FROM agency AND u.\"tenantId\" = tenant \
     AND pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(s.\"sessionToken\", 'UTF8')), 'hex') = digest) THEN \
     RAISE EXCEPTION 'the session has ended, or its user has changed' USING ERRCODE = 'RY401'; \
     END IF; END $$"
        .to_owned()
}
