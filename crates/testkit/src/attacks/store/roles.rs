//! Restrictions of a role within its own tenant, and access across tenants.

use rylie_db::entities::{Ga4Connection, PackageType, UserRole};
use rylie_db::prelude::{Grant, NewRequest, NewUser, Origin, Patch, StoreExt};
use rylie_db::repositories::{AgencyChanges, UserChanges};

use crate::Result;
use crate::attacks::fixture::{Fixture, Side, ga4, new_request};
use crate::attacks::log::{Log, Seen};

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) {
    log.note("a user of role USER has no administrative rights", member(&fixture.attacker).await);
    log.note("an agency's administrator can neither create nor change a super admin", super_admins(fixture).await);
    log.note("only a super admin works across tenants, or impersonates", across_tenants(fixture).await);
}

async fn member(side: &Side<'_>) -> Result<Seen> {
    let (unit, member, mut seen) = (side.member.unit().await?, &side.member.user.id, Seen::default());
    seen.refused("adding a user", &unit.users().add(new_user(UserRole::User)).await);
    seen.refused("becoming an administrator", &unit.users().set_role(member, UserRole::AgencyAdmin).await);
    seen.refused("deleting a user", &unit.users().remove(member).await);
    let package = UserChanges { package: Patch::Set(PackageType::Platinum), ..UserChanges::default() };
    seen.refused("changing the package", &unit.users().update(member, package).await);
    let agency = side.agency.agency.id.clone();
    seen.refused("changing the agency", &unit.agencies().update(&agency, AgencyChanges::default()).await);
    let own = unit.requests().add(new_request("the member's")).await?.id;
    unit.requests().remove(&own).await?;
    seen.refused("purging a request", &unit.requests().purge(&own).await);
    seen.refused("purging requests", &unit.requests().purge_many(&[own]).await);
    seen.refused("purging tasks", &unit.tasks().purge_many(&[]).await);
    Ok(seen)
}

async fn super_admins(fixture: &Fixture<'_>) -> Result<Seen> {
    let (side, mut seen) = (&fixture.attacker, Seen::default());
    let made = fixture.world().user().of(&side.agency.agency).role(UserRole::SuperAdmin).build().await?;
    let (unit, above) = (side.unit().await?, || made.user.id.clone());
    let (users, member) = (unit.users(), side.member.user.id.clone());
    seen.refused("making a super admin", &users.add(new_user(UserRole::SuperAdmin)).await);
    seen.refused("raising a user to super admin", &users.set_role(&member, UserRole::SuperAdmin).await);
    seen.refused("lowering a super admin", &users.set_role(&above(), UserRole::User).await);
    seen.refused("changing a super admin", &users.update(&above(), UserChanges::default()).await);
    seen.refused("deleting a super admin", &users.remove(&above()).await);
    seen.refused("issuing a super admin's key", &unit.api_keys().issue(&above()).await);
    let connection = unit.ga4_connections().save(ga4(Some(member))).await?;
    let of_above = Ga4Connection { user_id: above(), ..connection };
    seen.refused("opening a super admin's connection", &unit.ga4_connections().open(&of_above).await);
    let ordered = NewRequest { user: Some(above()), ..new_request("in that name") };
    seen.refused("ordering as a super admin", &unit.requests().add(ordered.clone()).await);
    seen.refused("bulk ordering as a super admin", &unit.requests().add_many(vec![ordered]).await);
    Ok(seen)
}

async fn across_tenants(fixture: &Fixture<'_>) -> Result<Seen> {
    let (admin, mut seen) = (&fixture.attacker.agency.admin.signed_in, Seen::default());
    seen.refused("a grant", &Grant::of(admin, "to see", Origin::default()));
    let store = fixture.world().store();
    let entered = store.platform_for(admin, "to see", Origin::default()).await.map(drop);
    seen.refused("a platform unit", &entered);
    let alone = fixture.world().user().role(UserRole::AgencyAdmin).build().await?;
    let added = alone.unit().await?.users().add(new_user(UserRole::User)).await;
    seen.refused("adding a user to a tenant that is not an agency", &added);
    seen.refused("impersonation", &fixture.victim.scope().impersonated_by(admin));
    Ok(seen)
}

fn new_user(role: UserRole) -> NewUser {
    NewUser { email: format!("{role:?}@attack.example").to_lowercase(), role: Some(role), ..NewUser::default() }
}
