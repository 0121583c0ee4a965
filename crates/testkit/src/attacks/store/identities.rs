//! No scope without a valid session.

use chrono::TimeDelta;
use rylie_db::entities::{Env, Token};
use rylie_db::prelude::{Secret, StoreExt};

use crate::Result;
use crate::attacks::fixture::Fixture;
use crate::attacks::log::{Log, Seen};

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) {
    log.note("an invented, ended or expired session signs no user in", sessions(fixture).await);
    log.note("an invented key signs no user in", keys(fixture).await);
}

/// Texts that an attacker might guess.
fn made_up(fixture: &Fixture<'_>, good: &str) -> Vec<String> {
    let victim = &fixture.victim;
    let mut texts: Vec<String> =
        ["", " ", "%", "_", "null", "' OR '1'='1", "*", "🦀"].into_iter().map(str::to_owned).collect();
    texts.extend([
        victim.agency.admin.user.id.to_string(),
        victim.tenant().to_owned(),
        victim.member.user.email.clone(),
    ]);
    texts.extend([
        format!("{good}x"),
        format!(" {good}"),
        good.to_uppercase(),
        good.to_lowercase(),
        "x".repeat(100_000),
    ]);
    texts.extend([good[..good.len() - 1].to_owned(), good.replace(char::is_alphanumeric, "_")]);
    texts.retain(|text| text != good);
    texts
}

async fn sessions(fixture: &Fixture<'_>) -> Result<Seen> {
    let (admin, mut seen) = (&fixture.victim.agency.admin, Seen::default());
    let unit = fixture.world().store().identity().await?;
    for text in made_up(fixture, admin.session.expose()) {
        seen.unless(unit.sessions().signed_in(&Token::new(text)).await?.is_none(), "a user was signed in");
    }
    let now = fixture.world().env().now();
    let expired = unit.sessions().begin(&admin.user.id, now - TimeDelta::milliseconds(1)).await?;
    seen.unless(unit.sessions().signed_in(&expired).await?.is_none(), "an expired session is valid");
    seen.unless(unit.sessions().extend(&expired, now + TimeDelta::days(1)).await.is_err(), "… and was extended");
    let ended = unit.sessions().begin(&admin.user.id, now + TimeDelta::days(1)).await?;
    let good = unit.sessions().signed_in(&ended).await?;
    seen.unless(
        good.is_some_and(|user| user.tenant().as_str() == fixture.victim.tenant()),
        "a valid session is rejected",
    );
    unit.sessions().end(&ended).await?;
    seen.unless(unit.sessions().signed_in(&ended).await?.is_none(), "an ended session is valid");
    unit.commit().await?;
    Ok(seen)
}

async fn keys(fixture: &Fixture<'_>) -> Result<Seen> {
    let (member, mut seen) = (fixture.victim.member.user.id.clone(), Seen::default());
    let unit = fixture.victim.unit().await?;
    let key = unit.api_keys().issue(&member).await?;
    let stored = unit.users().get(&member).await?.api_key;
    unit.commit().await?;
    let unit = fixture.world().store().identity().await?;
    let good = unit.api_keys().signed_in(&key).await?;
    seen.unless(good.is_some_and(|user| *user.id() == member), "a valid key is rejected");
    let mut texts = made_up(fixture, key.expose());
    texts.extend(stored.map(|stored| stored.stored().to_owned()));
    for text in texts {
        let signed_in = unit.api_keys().signed_in(&Secret::from(text)).await?;
        seen.unless(signed_in.is_none(), "a user was signed in");
    }
    Ok(seen)
}
