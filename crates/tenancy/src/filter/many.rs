//! Statements on many rows, through the tenant filter.

use rylie_entities::{Keyed, TenantOwned};
use sea_orm::sea_query::{Expr, IntoCondition, SimpleExpr, Value};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbBackend, QueryFilter, QueryTrait, UpdateMany};

use crate::error::Result;
use crate::filter::Tx;
use crate::soft_deleted::{among, is_deleted};

/// Stands for the condition on the ids until the number of the other values is known.
const IDS: &str = "ANY(rylie_ids)";

/// Returns the column's name with its table's, in quotes.
fn quoted(column: impl ColumnTrait) -> String {
    let (table, name) = column.as_column_ref();
    format!(r#""{table}"."{name}""#)
}

impl Tx {
    /// Returns the condition that a column has one of these texts. They are bound as one value, so the engine's limit
    /// on bound values does not apply.
    pub fn one_of<C: ColumnTrait>(&self, column: C, texts: impl IntoIterator<Item = String>) -> SimpleExpr {
        let column = quoted(column);
        let holds = match self.engine() {
            DbBackend::Postgres => format!("{column} = ANY($1)"),
            _ => format!("{column} IN (SELECT value FROM json_each(?))"),
        };
        Expr::cust_with_values(holds, [self.texts(texts)])
    }

    /// Returns texts as one value: an array, or JSON on SQLite.
    pub(super) fn texts(&self, texts: impl IntoIterator<Item = String>) -> Value {
        match self.engine() {
            DbBackend::Postgres => texts.into_iter().collect::<Vec<_>>().into(),
            _ => serde_json::Value::Array(texts.into_iter().map(Into::into).collect()).to_string().into(),
        }
    }

    /// Like [`Tx::update`], also with expressions. Returns how many rows were updated.
    pub async fn update_many<E: TenantOwned>(
        &self,
        set: E::ActiveModel,
        expressions: Vec<(E::Column, SimpleExpr)>,
        condition: impl IntoCondition,
    ) -> Result<u64> {
        let update = self.updating::<E>(set, expressions, condition);
        Ok(update.exec(self.connection().await?).await?.rows_affected)
    }

    fn updating<E: TenantOwned>(
        &self,
        set: E::ActiveModel,
        expressions: Vec<(E::Column, SimpleExpr)>,
        condition: impl IntoCondition,
    ) -> UpdateMany<E> {
        let mut update = E::update_many().set(super::writes::without_tenant::<E>(set)).filter(condition);
        for (column, value) in expressions {
            update = update.col_expr(column, value);
        }
        update.filter(self.kind.condition::<E>())
    }

    /// Like [`Tx::update_many`], for the rows with these ids that are not deleted.
    pub(crate) async fn update_among<E: Keyed>(
        &self,
        ids: &[String],
        set: E::ActiveModel,
        expressions: Vec<(E::Column, SimpleExpr)>,
        condition: SimpleExpr,
    ) -> Result<u64> {
        if self.engine() != DbBackend::Postgres {
            let these = among::<E>(self, ids, false).add(condition);
            return self.update_many::<E>(set, expressions, these).await;
        }
        let these = Condition::all()
            .add(Expr::cust(format!("{} = {IDS}", quoted(E::ID))))
            .add_option(is_deleted::<E>(false))
            .add(condition);
        let update = self.updating::<E>(set, expressions, these).into_query();
        if update.get_values().is_empty() {
            return Ok(0);
        }
        let mut statement = self.engine().build(&update);
        let place = statement.values.as_ref().map_or(0, |values| values.0.len()) + 1;
        statement.sql = statement.sql.replacen(IDS, &format!("ANY(${place})"), 1);
        Ok(self.connection().await?.execute_with_texts(statement, ids).await?)
    }

    /// Like [`Tx::update`]. Returns one column of the updated rows.
    pub async fn update_returning<E: TenantOwned>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
        column: E::Column,
    ) -> Result<Vec<String>> {
        let update = E::update_many().set(super::writes::without_tenant::<E>(set)).filter(condition);
        let mut update = update.filter(self.kind.condition::<E>()).into_query();
        update.returning_col(column);
        let rows = self.connection().await?.query_all(&update).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }

    /// Like [`Tx::delete`]. Returns one column of the deleted rows.
    pub async fn delete_returning<E: TenantOwned>(
        &self,
        condition: impl IntoCondition,
        column: E::Column,
    ) -> Result<Vec<String>> {
        let delete = E::delete_many().filter(condition);
        let mut delete = delete.filter(self.kind.condition::<E>()).into_query();
        delete.returning_col(column);
        let rows = self.connection().await?.query_all(&delete).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }
}
