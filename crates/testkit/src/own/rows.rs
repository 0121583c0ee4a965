//! The attacks on a service's own table, through units.

use std::pin::Pin;

use async_trait::async_trait;
use rylie_db::own::sea_orm::{QuerySelect, QueryTrait, TryIntoModel};
use rylie_db::own::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, Error, KeysetRequest, OwnTable, OwnTables, PageRequest,
    TenantUnit,
};

use super::of_unit::tables;
use crate::attacks::{Extension, Failure, Fixture, Side};

/// A row of a side, when its parents exist.
type Built<'a, E> = Pin<Box<dyn Future<Output = rylie_db::own::Result<<E as EntityTrait>::ActiveModel>> + Send + 'a>>;

/// Builds a row of a side of the attacks.
type Build<E> = Box<dyn for<'a> Fn(&'a OwnTables, &'a Side<'a>) -> Built<'a, E> + Send + Sync>;

/// An own table under attack: `Attacks::on(&world).with(&OwnRows::<Comment>::new(|side| …))`. The suite finds the table
/// in the catalog; this plants a row of each side, and attacks through tenant units.
pub struct OwnRows<E: OwnTable>(Build<E>);

impl<E: OwnTable> OwnRows<E> {
    /// Builds the rows by this function: the columns without a default, such as the parent `side.request.id`. It is
    /// called several times for a side, so a unique column needs a new value each time.
    pub fn new(row: impl Fn(&Side<'_>) -> E::ActiveModel + Send + Sync + 'static) -> Self {
        Self::with_parents(move |_, side| {
            let row = row(side);
            Box::pin(async move { Ok(row) })
        })
    }

    /// As [`new`](Self::new), for a table that refers to other own tables: the function adds the parents first.
    ///
    /// ```
    /// use rylie_db::own::{OwnTable, OwnTables, TenantOwned};
    /// # fn example<Label: OwnTable, Link: OwnTable>(label: fn() -> Label::ActiveModel, link: fn(&Label::Model) -> Link::ActiveModel)
    /// # where Label::ActiveModel: rylie_db::own::sea_orm::TryIntoModel<Label::Model> {
    /// use rylie_testkit::own::OwnRows;
    ///
    /// let links = OwnRows::<Link>::with_parents(move |tables, _| {
    ///     Box::pin(async move {
    ///         let label = tables.of::<Label>().add(label()).await?;
    ///         Ok(link(&label))
    ///     })
    /// });
    /// # let _ = links;
    /// # }
    /// ```
    pub fn with_parents(
        row: impl for<'a> Fn(&'a OwnTables, &'a Side<'a>) -> Built<'a, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(row))
    }

    async fn add(&self, unit: &dyn TenantUnit, side: &Side<'_>) -> rylie_db::own::Result<E::Model>
    where
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        let row = (self.0)(tables(unit), side).await?;
        tables(unit).of::<E>().add(row).await
    }
}

#[async_trait]
impl<E: OwnTable> Extension for OwnRows<E>
where
    E::ActiveModel: TryIntoModel<E::Model> + Sync,
{
    fn name(&self) -> &str {
        E::TABLE
    }

    async fn plant(&self, _: &Fixture<'_>, side: &Side<'_>) -> Result<(), Failure> {
        let unit = side.unit().await?;
        self.add(&*unit, side).await?;
        unit.commit().await?;
        Ok(())
    }

    async fn attack(&self, fixture: &Fixture<'_>) -> Result<Vec<String>, Failure> {
        let (victim, attacker) = (&fixture.victim, &fixture.attacker);
        let unit = victim.unit().await?;
        let target = self.add(&*unit, victim).await?;
        unit.commit().await?;
        let before = format!("{target:?}");
        let id = E::id(&target).clone();
        let mut seen = Vec::new();
        let theirs = |row: &E::Model| E::id(row) == &id;

        let unit = attacker.unit().await?;
        let of = || tables(&*unit).of::<E>();
        if of().find(&id).await?.is_some() || !of().find_many(std::slice::from_ref(&id)).await?.is_empty() {
            seen.push("the victim's row by its id".to_owned());
        }
        let aimed = || Condition::any().add(E::ID.eq(id.to_string())).add(E::TENANT.eq(victim.tenant()));
        if of().filter(aimed()).count().await? > 0 || of().list(PageRequest::default()).await?.items.iter().any(theirs)
        {
            seen.push("the victim's row in a list".to_owned());
        }
        if of().walk(&KeysetRequest::first(100)).await?.items.iter().any(theirs) {
            seen.push("the victim's row in a walk".to_owned());
        }
        let others = E::find().select_only().column(E::ID).into_query();
        let sub = E::ID.in_subquery(others);
        if !matches!(of().filter(sub).count().await, Err(Error::Invalid { .. })) {
            seen.push("a sub-query without the tenant filter was accepted".to_owned());
        }
        if !E::OWN.append_only && of().remove(&id).await.is_ok() {
            seen.push("the victim's row was removed".to_owned());
        }
        drop(unit);

        let unit = attacker.unit().await?;
        let mut stolen = (self.0)(tables(&*unit), attacker).await?;
        stolen.set(E::ID, id.to_string().into());
        stolen.set(E::TENANT, victim.tenant().into());
        if tables(&*unit).of::<E>().upsert(stolen, &[E::ID], &[E::TENANT]).await.is_ok() {
            seen.push("the victim's row was overwritten".to_owned());
        }
        drop(unit);

        let unit = attacker.unit().await?;
        let mut planted = (self.0)(tables(&*unit), attacker).await?;
        planted.set(E::TENANT, victim.tenant().into());
        let row = tables(&*unit).of::<E>().add(planted).await;
        if let Ok(row) = row {
            unit.commit().await?;
            let unit = victim.unit().await?;
            if tables(&*unit).of::<E>().find(E::id(&row)).await?.is_some() {
                seen.push("a row was planted in the victim's tenant".to_owned());
            }
        } else {
            drop(unit);
        }

        let unit = victim.unit().await?;
        let after = tables(&*unit).of::<E>().find(&id).await?;
        if after.map(|row| format!("{row:?}")) != Some(before) {
            seen.push("the victim's row was changed".to_owned());
        }
        Ok(seen)
    }
}
