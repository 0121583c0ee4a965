//! Bulk calls on requests.

use std::collections::{BTreeMap, BTreeSet};

use rylie_entities::request::Entity;
use rylie_entities::{User, UserId, user};

use super::{NewRequest, row};
use crate::tx::Tx;
use crate::{BulkOutcome, Result};
use rylie_tenancy::Bulk;

pub(super) async fn add(tx: &Tx, new: Vec<NewRequest>) -> Result<BulkOutcome> {
    let mut bulk = Bulk::begin(tx, new).await?;
    while let Some(new) = bulk.next() {
        let asked = new.len();
        let owners = owners(tx, &new).await?;
        let mut rows = Vec::with_capacity(asked);
        for new in new {
            if let Some(owner) = owners.get(&tx.user_or_own(new.user.as_ref())?) {
                tx.may_act_for(&owner.id, owner.role)?;
                rows.push(row(tx, new, &owner.id, owner.agency_id.as_ref())?);
            }
        }
        let made = rows.len() as u64;
        tx.insert_many::<Entity>(rows).await?;
        bulk.done(asked, made, made);
    }
    bulk.finish().await
}

/// Returns the ordering users, read through the tenant filter. Users of other tenants are not included.
async fn owners(tx: &Tx, new: &[NewRequest]) -> Result<BTreeMap<UserId, User>> {
    let named: BTreeSet<_> = new.iter().map(|new| tx.user_or_own(new.user.as_ref())).collect::<Result<_>>()?;
    let among = tx.one_of(user::Column::Id, named.into_iter().map(|id| id.to_string()));
    let users = tx.rows::<user::Entity>().filter(among).all().await?;
    Ok(users.into_iter().map(|user| (user.id.clone(), user)).collect())
}
