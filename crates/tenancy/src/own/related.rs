//! Related rows, in a constant number of statements for any number of rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rylie_entities::{Readable, RepositoryTable};
use sea_orm::sea_query::Value;
use sea_orm::{Condition, EntityTrait, IdenStatic, Iterable, ModelTrait, Related, RelationDef};

use super::Table;
use crate::error::{Error, Result};
use crate::soft_deleted::is_deleted;

impl<E: RepositoryTable> Table<'_, E> {
    /// Returns the rows by the id in `column`, which refers to one of `ids`: a parent's rows, in the table's order.
    /// One statement for any number of parents. An id without rows is missing in the result.
    pub async fn grouped_by(self, column: E::Column, ids: &[impl ToString]) -> Result<BTreeMap<String, Vec<E::Model>>> {
        let named: BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
        let rows = self.rows()?.filter(self.tx.one_of(column, named)).listed(self.direction()).all().await?;
        let mut grouped = BTreeMap::<_, Vec<_>>::new();
        for row in rows {
            if let Some(parent) = text(&row.get(column)) {
                grouped.entry(parent).or_default().push(row);
            }
        }
        Ok(grouped)
    }

    /// Returns the parent of each row, in the order of the rows: `None` if it is out of reach or soft-deleted. One
    /// statement. The parent is a row of an own table or of the platform. Fails with [`Error::Invalid`] if the relation
    /// has more than one column, apart from the tenant.
    pub async fn parents<R>(self, rows: &[E::Model]) -> Result<Vec<Option<R::Model>>>
    where
        E: Related<R>,
        R: Readable,
        R::Model: Clone,
    {
        let relation = <E as Related<R>>::to();
        let (from, to) = (column_of::<E>(&relation, true)?, column_of::<R>(&relation, false)?);
        self.named_in::<R>(from, to, rows).await
    }

    /// As [`parents`](Self::parents), by the column that names the parent. For a table that refers to itself, and for
    /// two references to one table.
    pub async fn parents_by<R>(self, column: E::Column, rows: &[E::Model]) -> Result<Vec<Option<R::Model>>>
    where
        R: Readable,
        R::Model: Clone,
    {
        self.named_in::<R>(column, R::ID, rows).await
    }

    async fn named_in<R>(self, from: E::Column, to: R::Column, rows: &[E::Model]) -> Result<Vec<Option<R::Model>>>
    where
        R: Readable,
        R::Model: Clone,
    {
        self.whole()?;
        let keys: Vec<_> = rows.iter().map(|row| text(&row.get(from))).collect();
        let found = by_key::<R>(self.tx, to, keys.iter().flatten().cloned().collect()).await?;
        Ok(keys.into_iter().map(|key| key.and_then(|key| found.get(&key).cloned())).collect())
    }

    /// Returns the rows of `R` that refer to each row, in the order of the rows, each list in the order of `R`. One
    /// statement. Fails with [`Error::Invalid`] as [`parents`](Self::parents) does.
    pub async fn children<R>(self, rows: &[E::Model]) -> Result<Vec<Vec<R::Model>>>
    where
        E: Related<R>,
        R: RepositoryTable + Readable,
    {
        self.whole()?;
        let relation = <E as Related<R>>::to();
        let to = column_of::<R>(&relation, false)?;
        let ids: Vec<_> = rows.iter().map(|row| E::id(row).to_string()).collect();
        let mut grouped = Table::<R>::new(self.tx, true).oldest_first().grouped_by(to, &ids).await?;
        Ok(ids.iter().map(|id| grouped.remove(id).unwrap_or_default()).collect())
    }

    /// Returns the rows of `R` that are linked to each row by rows of `J`, a table with a key to both. Two statements.
    /// Fails with [`Error::Invalid`] as [`parents`](Self::parents) does.
    pub async fn linked<J, R>(self, rows: &[E::Model]) -> Result<Vec<Vec<R::Model>>>
    where
        J: RepositoryTable + Readable + Related<E> + Related<R>,
        R: Readable,
        R::Model: Clone,
    {
        self.whole()?;
        let (to_us, to_them) = (<J as Related<E>>::to(), <J as Related<R>>::to());
        let (ours, theirs) = (column_of::<J>(&to_us, true)?, column_of::<J>(&to_them, true)?);
        let ids: Vec<_> = rows.iter().map(|row| E::id(row).to_string()).collect();
        let links = Table::<J>::new(self.tx, true).oldest_first().grouped_by(ours, &ids).await?;
        let wanted = links.values().flatten().filter_map(|link| text(&link.get(theirs))).collect();
        let found = by_key::<R>(self.tx, column_of::<R>(&to_them, false)?, wanted).await?;
        let of = |id: &String| {
            let links = links.get(id).map(Vec::as_slice).unwrap_or_default();
            links.iter().filter_map(|link| found.get(&text(&link.get(theirs))?).cloned()).collect()
        };
        Ok(ids.iter().map(of).collect())
    }
}

async fn by_key<R: Readable>(
    tx: &crate::Tx,
    column: R::Column,
    keys: BTreeSet<String>,
) -> Result<HashMap<String, R::Model>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let present = Condition::all().add(tx.one_of(column, keys)).add_option(is_deleted::<R>(false));
    let rows = tx.rows::<R>().filter(present).all().await?;
    Ok(rows.into_iter().filter_map(|row| Some((text(&row.get(column))?, row))).collect())
}

/// Returns the column of a relation on one side. The tenant of a composite key is no part of it: the filter adds it.
fn column_of<E: EntityTrait>(relation: &RelationDef, from: bool) -> Result<E::Column> {
    let names = if from { &relation.from_col } else { &relation.to_col };
    let mut names = names.iter().map(ToString::to_string).filter(|name| name != "tenantId");
    let (name, None) = (names.next(), names.next()) else {
        return Err(Error::Invalid {
            what: "the relation",
            reason: "it must have one column and, at most, the tenant",
        });
    };
    E::Column::iter()
        .find(|column| Some(column.as_str()) == name.as_deref())
        .ok_or(Error::Invalid { what: "the relation", reason: "it names a column that the entity does not have" })
}

fn text(value: &Value) -> Option<String> {
    if let Value::String(text) = value { text.clone() } else { None }
}
