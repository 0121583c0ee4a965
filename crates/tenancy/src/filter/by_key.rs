//! Reads rows by their keys. Rendering the SQL dominates the client's time, so the text is cached.

use rylie_entities::Keyed;
use sea_orm::sea_query::Values;
use sea_orm::{Condition, DbBackend, Statement, Value};

use super::rows::decoded;
use super::texts::Texts;
use crate::error::Result;
use crate::filter::{Rows, Tx, UnitKind};
use crate::scope::Reach;
use crate::soft_deleted::{among, is_deleted, one};

/// Table, whether PostgreSQL, whether with the tenant condition, and the form of the keys.
type Key = (&'static str, bool, bool, Form);

#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Form {
    OfOne,
    OfMany,
    ThroughFunction,
}

static TEXTS: Texts<Key> = Texts::new();

impl Tx {
    /// Returns the row with this key, unless it is soft-deleted or out of this unit's reach.
    pub async fn present<E: Keyed>(&self, id: &(impl ToString + Sync)) -> Result<Option<E::Model>> {
        if let Some(rows) = self.alone_among::<E>(std::slice::from_ref(id)) {
            return Ok(rows.await?.into_iter().next());
        }
        let select = || self.rows::<E>().filter(one::<E>(id, false)).limit(1);
        let statement = self.by_key::<E>(Form::OfOne, with_deleted::<E>(vec![id.to_string().into()]), select);
        let rows = self.read_at_once(E::TABLE, statement).await?;
        Ok(decoded::<E>(&rows)?.into_iter().next())
    }

    /// Returns the rows with these keys that are not soft-deleted and within this unit's reach, in no defined order.
    pub(crate) async fn present_among<E: Keyed>(&self, ids: &[impl ToString + Sync]) -> Result<Vec<E::Model>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(rows) = self.alone_among::<E>(ids) {
            return rows.await;
        }
        let statement = self.among_keys::<E>(ids);
        decoded::<E>(&self.read_at_once(E::TABLE, statement).await?)
    }

    pub(super) fn among_keys<E: Keyed>(&self, ids: &[impl ToString]) -> Statement {
        let select = || self.rows::<E>().filter(among::<E>(self, ids, false));
        let keys = self.texts(ids.iter().map(ToString::to_string));
        self.by_key::<E>(Form::OfMany, with_deleted::<E>(vec![keys]), select)
    }

    /// The function assumes the database role and sets the tenant. The tenant filter also applies to its result.
    pub(super) fn through_function<E: Keyed>(&self, function: &'static str, ids: &[impl ToString]) -> Statement {
        let tenant = self.scope().map(|scope| scope.tenant().as_str());
        let arguments = [tenant.into(), self.texts(ids.iter().map(ToString::to_string))];
        let values = with_deleted::<E>(arguments.to_vec());
        let select = || {
            self.rows::<E>().through(function, arguments).filter(Condition::all().add_option(is_deleted::<E>(false)))
        };
        self.by_key::<E>(Form::ThroughFunction, values, select)
    }

    fn by_key<'tx, E: Keyed>(
        &'tx self,
        form: Form,
        mut values: Vec<Value>,
        select: impl FnOnce() -> Rows<'tx, E>,
    ) -> Statement {
        let engine = self.engine();
        let tenant = match self.kind() {
            UnitKind::Tenant(scope) if scope.reach() == Reach::Own => return select().statement(engine),
            UnitKind::Tenant(scope) => Some(scope.tenant()),
            UnitKind::Identity | UnitKind::Platform | UnitKind::Operations => None,
        };
        let key = (E::TABLE, engine == DbBackend::Postgres, tenant.is_some(), form);
        values.extend(tenant.map(Into::into));
        values.extend((form == Form::OfOne).then_some(1_u64.into()));
        if let Some(text) = TEXTS.get(&key) {
            return Statement::from_sql_and_values(engine, &*text, values);
        }
        let made = select().statement(engine);
        // Cache the text only if it binds exactly these values, in this order.
        if made.values == Some(Values(values)) {
            TEXTS.keep(key, &made.sql);
        }
        made
    }
}

/// Adds the value of the condition that a row is not soft-deleted, if the table has one.
fn with_deleted<E: Keyed>(mut values: Vec<Value>) -> Vec<Value> {
    values.extend(E::SOFT.map(|_| false.into()));
    values
}
