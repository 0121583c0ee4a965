//! Reading one row by its key. The text of the statement is made once: to write out a select of all columns takes longer than
//! all else that such a read does on this side.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use sea_orm::sea_query::Values;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::Result;
use crate::fence::{Fence, Tx};
use crate::scope::Reach;
use crate::soft_delete::{SoftDeleted, one};

/// The table, whether it is for PostgreSQL, and whether the tenant's condition is in it.
type Key = (&'static str, bool, bool);

static TEXTS: LazyLock<RwLock<HashMap<Key, String>>> = LazyLock::new(RwLock::default);

impl Tx {
    /// The row with this key, unless it is soft-deleted or out of this unit's reach.
    pub(crate) async fn present<E>(&self, id: &(impl ToString + Sync)) -> Result<Option<E::Model>>
    where
        E: SoftDeleted,
    {
        let select = || self.rows::<E>().filter(one::<E>(id, false)).limit(1);
        let tenant = match self.fence() {
            Fence::Tenant(scope) if scope.reach() == Reach::Own => return select().one().await,
            Fence::Tenant(scope) => Some(scope.tenant()),
            Fence::Identity | Fence::Platform | Fence::Books => None,
        };
        let engine = self.connection()?.get_database_backend();
        let key = (E::TABLE, engine == DbBackend::Postgres, tenant.is_some());
        let mut values: Vec<Value> = vec![id.to_string().into(), false.into()];
        values.extend(tenant.map(Into::into));
        values.push(1_u64.into());
        let known = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let Some(text) = known else {
            let made = select().statement(engine)?;
            // It is used again only if it takes these very values, in this order.
            if made.values == Some(Values(values)) {
                TEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(key, made.sql.clone());
            }
            return Ok(E::find().from_raw_sql(made).one(self.connection()?).await?);
        };
        let statement = Statement::from_sql_and_values(engine, text, values);
        Ok(E::find().from_raw_sql(statement).one(self.connection()?).await?)
    }
}
