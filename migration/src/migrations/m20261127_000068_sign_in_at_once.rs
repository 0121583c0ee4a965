//! A function that finds the user of a session's token in one round trip.
//!
//! Called outside a transaction, the call is a separate transaction. The function assumes the identity role, as an
//! identity unit's `BEGIN` does, and then reads. PL/pgSQL runs both in order. The token stays a bound value. The function
//! runs with its caller's rights: a login that may not assume the role gets an error.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const SIGNATURE: &str = "public.rylie_signed_in(text, timestamp)";

pub(crate) struct SignInAtOnce;

impl Migration for SignInAtOnce {
    fn name(&self) -> &'static str {
        "m20261127_000068_sign_in_at_once"
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

fn function() -> String {
    "CREATE OR REPLACE FUNCTION public.rylie_signed_in(token text, at timestamp) \
     RETURNS TABLE (id text, role text, \"agencyId\" text, \"tenantId\" text) LANGUAGE plpgsql ROWS 1 \
     SET search_path = pg_catalog, public, pg_temp \
     AS $$ BEGIN \
     PERFORM pg_catalog.set_config('role', 'rylie_identity', true), pg_catalog.set_config('rylie.tenant', '', true); \
     RETURN QUERY SELECT u.id, u.role::text, u.\"agencyId\", u.\"tenantId\" FROM public.\"Session\" s \
     JOIN public.\"User\" u ON u.id = s.\"userId\" WHERE s.\"sessionToken\" = token AND s.expires > at LIMIT 1; \
     END $$"
        .to_owned()
}
