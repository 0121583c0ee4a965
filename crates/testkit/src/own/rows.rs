//! The attacks on a service's own table, through units.

use async_trait::async_trait;
use rylie_db::own::sea_orm::{QuerySelect, QueryTrait, TryIntoModel};
use rylie_db::own::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, Error, KeysetRequest, OwnTable, OwnTables, PageRequest,
    TenantUnit,
};

use crate::attacks::{Extension, Failure, Fixture, Side};

/// One row of a side of the attacks.
type Row<E> = Box<dyn Fn(&Side<'_>) -> <E as EntityTrait>::ActiveModel + Send + Sync>;

/// An own table under attack: `Attacks::on(&world).with(&OwnRows::<Comment>::new(|side| …))`. The suite finds the table
/// in the catalog; this plants a row of each side, and attacks through tenant units.
pub struct OwnRows<E: OwnTable>(Row<E>);

impl<E: OwnTable> OwnRows<E> {
    /// Builds the rows by this function: the columns without a default, such as the parent `side.request.id`.
    pub fn new(row: impl Fn(&Side<'_>) -> E::ActiveModel + Send + Sync + 'static) -> Self {
        Self(Box::new(row))
    }
}

fn tables(unit: &dyn TenantUnit) -> &OwnTables {
    unit.own().repository::<OwnTables>(|tables| tables)
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
        tables(&*unit).of::<E>().add((self.0)(side)).await?;
        unit.commit().await?;
        Ok(())
    }

    async fn attack(&self, fixture: &Fixture<'_>) -> Result<Vec<String>, Failure> {
        let (victim, attacker) = (&fixture.victim, &fixture.attacker);
        let unit = victim.unit().await?;
        let target = tables(&*unit).of::<E>().add((self.0)(victim)).await?;
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
        let mut stolen = (self.0)(attacker);
        stolen.set(E::ID, id.to_string().into());
        stolen.set(E::TENANT, victim.tenant().into());
        if tables(&*unit).of::<E>().upsert(stolen, E::ID, &[E::TENANT]).await.is_ok() {
            seen.push("the victim's row was overwritten".to_owned());
        }
        drop(unit);

        let unit = attacker.unit().await?;
        let mut planted = (self.0)(attacker);
        planted.set(E::TENANT, victim.tenant().into());
        if let Ok(row) = tables(&*unit).of::<E>().add(planted).await {
            unit.commit().await?;
            let unit = victim.unit().await?;
            if tables(&*unit).of::<E>().find(E::id(&row)).await?.is_some() {
                seen.push("a row was planted in the victim's tenant".to_owned());
            }
        }

        let unit = victim.unit().await?;
        let after = tables(&*unit).of::<E>().find(&id).await?;
        if after.map(|row| format!("{row:?}")) != Some(before) {
            seen.push("the victim's row was changed".to_owned());
        }
        Ok(seen)
    }
}
