//! A third kind of login for `rylie roles provision`: one that may seal.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

fn kinds(kinds: &str) -> Vec<Step> {
    vec![
        Step::sql(format!(
            "ALTER TABLE rylie_logins DROP CONSTRAINT IF EXISTS rylie_logins_kind, \
             ADD CONSTRAINT rylie_logins_kind CHECK (kind IN ({kinds})) NOT VALID"
        )),
        Step::sql("ALTER TABLE rylie_logins VALIDATE CONSTRAINT rylie_logins_kind"),
    ]
}

pub(crate) struct LetLoginsSeal;

impl Migration for LetLoginsSeal {
    fn name(&self) -> &'static str {
        "m20261126_000031_let_logins_seal"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => kinds("'app', 'readonly', 'sealer'"),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                let mut steps = vec![Step::sql("DELETE FROM rylie_logins WHERE kind = 'sealer'")];
                steps.extend(kinds("'app', 'readonly'"));
                steps
            }
            Engine::Sqlite => Vec::new(),
        }
    }
}
