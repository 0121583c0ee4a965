//! Reading rows by their keys. The text of the statement is made once: to write out a select of all columns takes longer than
//! all else that such a read does on this side.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use sea_orm::sea_query::Values;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use crate::Result;
use crate::fence::{Fence, Rows, Tx};
use crate::scope::Reach;
use crate::soft_delete::{SoftDeleted, among, one};

/// The table, whether it is for PostgreSQL, whether the tenant's condition is in it, and whether it takes many keys.
type Key = (&'static str, bool, bool, bool);

static TEXTS: LazyLock<RwLock<HashMap<Key, String>>> = LazyLock::new(RwLock::default);

impl Tx {
    /// The row with this key, unless it is soft-deleted or out of this unit's reach.
    pub(crate) async fn present<E: SoftDeleted>(&self, id: &(impl ToString + Sync)) -> Result<Option<E::Model>> {
        let select = || self.rows::<E>().filter(one::<E>(id, false)).limit(1);
        let statement = self.by_key::<E>(false, id.to_string().into(), select)?;
        Ok(E::Model::find_by_statement(statement).one(self.connection()?).await?)
    }

    /// The rows with these keys that are not soft-deleted and within this unit's reach, in no order.
    pub(crate) async fn present_among<E: SoftDeleted>(&self, ids: &[impl ToString + Sync]) -> Result<Vec<E::Model>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let select = || self.rows::<E>().filter(among::<E>(self, ids, false));
        let statement = self.by_key::<E>(true, self.texts(ids.iter().map(ToString::to_string)), select)?;
        Ok(E::Model::find_by_statement(statement).all(self.connection()?).await?)
    }

    fn by_key<'tx, E: SoftDeleted>(
        &'tx self,
        many: bool,
        keys: Value,
        select: impl FnOnce() -> Rows<'tx, E>,
    ) -> Result<Statement> {
        let engine = self.connection()?.get_database_backend();
        let tenant = match self.fence() {
            Fence::Tenant(scope) if scope.reach() == Reach::Own => return select().statement(engine),
            Fence::Tenant(scope) => Some(scope.tenant()),
            Fence::Identity | Fence::Platform | Fence::Books => None,
        };
        let key = (E::TABLE, engine == DbBackend::Postgres, tenant.is_some(), many);
        let mut values = vec![keys, false.into()];
        values.extend(tenant.map(Into::into));
        values.extend((!many).then_some(1_u64.into()));
        if let Some(text) = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Statement::from_sql_and_values(engine, text, values));
        }
        let made = select().statement(engine)?;
        // It is used again only if it takes these very values, in this order.
        if made.values == Some(Values(values)) {
            TEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(key, made.sql.clone());
        }
        Ok(made)
    }
}
