//! Statements on many rows, through the tenant filter.

use rylie_entities::TenantOwned;
use sea_orm::sea_query::{Expr, IntoCondition, SimpleExpr, Value};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, QueryFilter, QueryTrait};

use crate::error::Result;
use crate::filter::Tx;

impl Tx {
    /// Returns the condition that a column has one of these texts. They are bound as one value, so the engine's limit
    /// on bound values does not apply.
    pub fn one_of<C: ColumnTrait>(&self, column: C, texts: impl IntoIterator<Item = String>) -> SimpleExpr {
        let (table, name) = column.as_column_ref();
        let column = format!(r#""{table}"."{name}""#);
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
        let mut update = E::update_many().set(super::writes::without_tenant::<E>(set)).filter(condition);
        for (column, value) in expressions {
            update = update.col_expr(column, value);
        }
        let update = update.filter(self.kind.condition::<E>());
        Ok(update.exec(self.connection().await?).await?.rows_affected)
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
