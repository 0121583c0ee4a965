//! What a refusal or a total could tell of rows that cannot be seen.

use rylie_db::prelude::NewUser;
use rylie_db::repositories::Error;

use crate::Result;
use crate::attacks::log::{Log, Seen};
use crate::attacks::stage::{Side, Stage, mapped_to};

pub(super) async fn attack(stage: &Stage<'_>, log: &mut Log) {
    log.note("a conflict over an address tells nothing of whose it is", address(stage).await);
    log.note("a conflict over a task at SEOWorks tells nothing of whose it is", seoworks_task(stage).await);
    log.note("an event's key tells nothing of another tenant's", event(stage).await);
}

/// An address signs in to the whole platform, so that there can be but one: that it is taken cannot be hidden.
async fn address(stage: &Stage<'_>) -> Result<Seen> {
    let new = NewUser { email: stage.victim.member.user.email.clone(), ..NewUser::default() };
    let added = stage.attacker.unit().await?.users().add(new).await;
    Ok(mute(&stage.victim, added))
}

async fn seoworks_task(stage: &Stage<'_>) -> Result<Seen> {
    let new = mapped_to(stage.attacker.request.id.clone(), &stage.victim.mapping.seoworks_task_id);
    let added = stage.attacker.unit().await?.seoworks_mappings().add(new).await;
    Ok(mute(&stage.victim, added))
}

/// A conflict, and not a word of the victim in it or its causes.
fn mute<T>(victim: &Side<'_>, result: Result<T, Error>) -> Seen {
    let mut seen = Seen::default();
    let Err(error) = result else {
        seen.add("what can be there but once is there twice");
        return seen;
    };
    seen.unless(matches!(error, Error::Conflict { .. }), format_args!("no conflict: {error}"));
    let told = format!("{} {error:?}", crate::attacks::log::chain(&error));
    let (admin, member) = (&victim.agency.admin.user, &victim.member.user);
    let secrets = [victim.tenant(), admin.id.as_str(), member.id.as_str(), &member.email, victim.request.id.as_str()];
    for secret in secrets.into_iter().chain([victim.mapping.seoworks_task_id.as_str()]) {
        seen.unless(!told.contains(secret), "the error names what is the victim's");
    }
    seen
}

async fn event(stage: &Stage<'_>) -> Result<Seen> {
    let mut seen = Seen::default();
    for side in [&stage.victim, &stage.attacker] {
        let unit = side.unit().await?;
        let used = unit.usage().use_page(&side.agency.admin.user.id, "of both").await?;
        seen.unless(!used.repeated, "an event that another tenant has counted was not counted");
        unit.commit().await?;
    }
    Ok(seen)
}
