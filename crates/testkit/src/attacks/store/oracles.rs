//! Information that a refusal or a total could reveal about invisible rows.

use rylie_db::prelude::NewUser;
use rylie_db::repositories::Error;

use crate::Result;
use crate::attacks::fixture::{Fixture, Side, mapped_to};
use crate::attacks::log::{Log, Seen};

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) {
    log.note("a conflict over an address does not reveal its owner", address(fixture).await);
    log.note("a conflict over a task at SEOWorks does not reveal its owner", seoworks_task(fixture).await);
    log.note("an event's key reveals nothing about another tenant's", event(fixture).await);
}

/// An address signs in to the whole platform, so it is unique there. That it is in use cannot be hidden.
async fn address(fixture: &Fixture<'_>) -> Result<Seen> {
    let new = NewUser { email: fixture.victim.member.user.email.clone(), ..NewUser::default() };
    let added = fixture.attacker.unit().await?.users().add(new).await;
    Ok(mute(&fixture.victim, added))
}

async fn seoworks_task(fixture: &Fixture<'_>) -> Result<Seen> {
    let new = mapped_to(fixture.attacker.request.id.clone(), &fixture.victim.mapping.seoworks_task_id);
    let added = fixture.attacker.unit().await?.seoworks_mappings().add(new).await;
    Ok(mute(&fixture.victim, added))
}

/// Expects a conflict whose error and causes contain no value of the victim.
fn mute<T>(victim: &Side<'_>, result: Result<T, Error>) -> Seen {
    let mut seen = Seen::default();
    let Err(error) = result else {
        seen.add("a unique value exists twice");
        return seen;
    };
    seen.unless(matches!(error, Error::Conflict { .. }), format_args!("no conflict: {error}"));
    let reported = format!("{} {error:?}", crate::attacks::log::chain(&error));
    let (admin, member) = (&victim.agency.admin.user, &victim.member.user);
    let secrets = [victim.tenant(), admin.id.as_str(), member.id.as_str(), &member.email, victim.request.id.as_str()];
    for secret in secrets.into_iter().chain([victim.mapping.seoworks_task_id.as_str()]) {
        seen.unless(!reported.contains(secret), "the error contains a value of the victim");
    }
    seen
}

async fn event(fixture: &Fixture<'_>) -> Result<Seen> {
    let mut seen = Seen::default();
    for side in [&fixture.victim, &fixture.attacker] {
        let unit = side.unit().await?;
        let used = unit.usage().use_page(&side.agency.admin.user.id, "of both").await?;
        seen.unless(!used.repeated, "an event that another tenant has counted was not counted");
        unit.commit().await?;
    }
    Ok(seen)
}
