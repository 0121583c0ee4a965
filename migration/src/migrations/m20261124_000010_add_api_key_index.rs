//! The blind index of API keys: they are found by it, so they can be stored sealed.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const INDEX: &str = "User_apiKeyIndex_key";

pub(crate) struct AddApiKeyIndex;

impl Migration for AddApiKeyIndex {
    fn name(&self) -> &'static str {
        "m20261124_000010_add_api_key_index"
    }

    /// Changes no row: the value is set when a key is issued, and by `rylie keys reencrypt`.
    fn up(&self, engine: Engine) -> Vec<Step> {
        let add = match engine {
            Engine::Postgres => "ALTER TABLE \"User\" ADD COLUMN IF NOT EXISTS \"apiKeyIndex\" text",
            Engine::Sqlite => "ALTER TABLE \"User\" ADD COLUMN \"apiKeyIndex\" TEXT",
        };
        vec![Step::sql(add), Step::unique_index(engine, INDEX, "\"User\" (\"apiKeyIndex\")")]
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let drop = match engine {
            Engine::Postgres => "ALTER TABLE \"User\" DROP COLUMN IF EXISTS \"apiKeyIndex\"",
            Engine::Sqlite => "ALTER TABLE \"User\" DROP COLUMN \"apiKeyIndex\"",
        };
        vec![Step::drop_index(engine, INDEX), Step::sql(drop)]
    }
}
