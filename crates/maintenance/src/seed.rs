//! Seeding: the rows that must exist before the first sign-in.

mod own;

use rylie_entities::{PackageType, User, UserRole};
use rylie_repositories::{
    NewAgency, NewUser, PageRequest, Patch, PlatformUnit, SettingsChanges, Store, UserChanges, UserFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::work::Work;

pub use own::SeedRows;

const WORK: Work = Work { job: "seed", reason: "super admin, settings and what the seed file names", doing: "seeding" };

/// The rows to seed. The default is one super admin, unless there is any, and the default settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Seed {
    /// Created as `SUPER_ADMIN` if missing; an existing user is unchanged. `None` creates `admin@example.com` in a
    /// database without any super admin, and nobody else.
    pub super_admin: Option<SeedUser>,
    /// Changes to the settings, whose row is created if it is missing.
    pub settings: Option<SettingsChanges>,
    /// Agencies with their users, identified by domain.
    pub agencies: Vec<SeedAgency>,
    /// Users without an agency.
    pub users: Vec<SeedUser>,
}

/// An agency to seed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SeedAgency {
    /// The name that its users see.
    pub name: String,
    /// Identifies the agency when the file is seeded again.
    pub domain: String,
    /// Its users.
    #[serde(default)]
    pub users: Vec<SeedUser>,
    /// Its rows in the service's own tables. Each row has an `id`; a column that names a user may have the address.
    #[serde(default)]
    pub tables: SeedRows,
}

/// A user to seed, identified by the address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SeedUser {
    /// The address to sign in with.
    pub email: String,
    /// The name that others see.
    pub name: Option<String>,
    /// `USER` by default.
    pub role: Option<UserRole>,
    /// The package paid for.
    pub package: Option<PackageType>,
}

/// The outcome of seeding.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Seeded {
    /// Number of created rows.
    pub created: u64,
    /// Number of existing rows that differed from the file.
    pub updated: u64,
}

impl Seed {
    /// Parses a seed file: a JSON object with `superAdmin`, `settings`, `agencies` and `users`, each optional. Fails
    /// with [`Error::SeedFile`] for any other content, and with [`Error::SeedShape`] for a list in place of an object.
    pub fn from_json(text: &str) -> Result<Self> {
        let mut seed: Self = serde_json::from_str(text).map_err(Error::SeedFile)?;
        // A list would be read as the fields in order, and its first user would become a super admin.
        if !is_made_of_objects(&serde_json::from_str(text).map_err(Error::SeedFile)?) {
            return Err(Error::SeedShape);
        }
        if let Some(super_admin) = &mut seed.super_admin {
            super_admin.role = Some(UserRole::SuperAdmin);
        }
        Ok(seed)
    }
}

/// Returns whether the file and the items of its lists are objects.
fn is_made_of_objects(file: &Value) -> bool {
    let lists_hold_objects =
        |object: &Map<String, Value>| object.values().filter_map(Value::as_array).flatten().all(is_made_of_objects);
    let single =
        |object: &Map<String, Value>, name| object.get(name).is_none_or(|part| part.is_object() || part.is_null());
    file.as_object()
        .is_some_and(|object| lists_hold_objects(object) && single(object, "superAdmin") && single(object, "settings"))
}

/// Seeds all rows or none. Existing rows are kept, or updated where the seed differs. A second run with the same seed
/// does nothing.
///
/// Fails with [`Error::Data`]. Its source is [`Invalid`](rylie_repositories::Error::Invalid) for an address of another
/// agency, and for a value that is not acceptable. It is [`InvalidColumn`](rylie_repositories::Error::InvalidColumn)
/// for a row of an own table.
pub async fn seed(store: &dyn Store, seed: &Seed) -> Result<Seeded> {
    let unit = WORK.open(store).await?;
    let seeded = seed_all(&*unit, seed).await;
    unit.commit(seeded).await
}

async fn seed_all(unit: &dyn PlatformUnit, seed: &Seed) -> rylie_repositories::Result<Seeded> {
    let mut seeded = Seeded::default();
    seed_settings(unit, seed.settings.as_ref(), &mut seeded).await?;
    seed_super_admin(unit, seed.super_admin.as_ref(), &mut seeded).await?;
    for agency in &seed.agencies {
        let known = unit.agency_administration().find_by_domain(&agency.domain).await?;
        let row = if let Some(row) = known {
            row
        } else {
            seeded.created += 1;
            let new = NewAgency { name: agency.name.clone(), domain: Some(agency.domain.clone()) };
            unit.agency_administration().add(new).await?
        };
        for user in &agency.users {
            let new = NewUser { agency: Some(row.id.clone()), ..new_user(user) };
            seed_user(unit, user, new, &mut seeded).await?;
        }
        own::seed(unit, &row.id, &agency.tables, &mut seeded).await?;
    }
    for user in &seed.users {
        seed_user(unit, user, new_user(user), &mut seeded).await?;
    }
    Ok(seeded)
}

async fn seed_super_admin(
    unit: &dyn PlatformUnit,
    named: Option<&SeedUser>,
    seeded: &mut Seeded,
) -> rylie_repositories::Result<()> {
    let new = if let Some(user) = named {
        new_user(user)
    } else {
        let filter = UserFilter { role: Some(UserRole::SuperAdmin), ..UserFilter::default() };
        if !unit.users().list(filter, PageRequest::new(1, 0).counting_to(1)).await?.items.is_empty() {
            return Ok(());
        }
        new_user(&default_super_admin())
    };
    if unit.identities().find_by_email(&new.email).await?.is_none() {
        unit.users().add(NewUser { onboarded: true, ..new }).await?;
        seeded.created += 1;
    }
    Ok(())
}

fn default_super_admin() -> SeedUser {
    SeedUser {
        email: "admin@example.com".to_owned(),
        name: Some("System Admin".to_owned()),
        role: Some(UserRole::SuperAdmin),
        package: None,
    }
}

async fn seed_settings(
    unit: &dyn PlatformUnit,
    changes: Option<&SettingsChanges>,
    seeded: &mut Seeded,
) -> rylie_repositories::Result<()> {
    let made = unit.settings().ensure().await?;
    seeded.created += u64::from(made);
    let Some(changes) = changes else { return Ok(()) };
    let before = unit.settings().find().await?;
    if before.is_some_and(|before| changes.differ_from(&before)) {
        unit.settings().update(changes.clone()).await?;
        seeded.updated += u64::from(!made);
    }
    Ok(())
}

async fn seed_user(
    unit: &dyn PlatformUnit,
    user: &SeedUser,
    new: NewUser,
    seeded: &mut Seeded,
) -> rylie_repositories::Result<()> {
    let Some(before) = unit.identities().find_by_email(&user.email).await? else {
        unit.users().add(new).await?;
        seeded.created += 1;
        return Ok(());
    };
    if new.agency.is_some() && new.agency != before.agency_id {
        return Err(rylie_repositories::Error::Invalid {
            what: "a user of the seed file",
            reason: "the address belongs to another agency or to none; seeding does not move users",
        });
    }
    let role = user.role.filter(|role| *role != before.role);
    if let Some(role) = role {
        unit.users().set_role(&before.id, role).await?;
    }
    let changes = changes(user, &before);
    if let Some(changes) = &changes {
        unit.users().update(&before.id, changes.clone()).await?;
    }
    seeded.updated += u64::from(role.is_some() || changes.is_some());
    Ok(())
}

fn changes(user: &SeedUser, before: &User) -> Option<UserChanges> {
    let name = user.name.clone().filter(|name| before.name.as_ref() != Some(name));
    let package = user.package.filter(|package| before.active_package_type != Some(*package));
    let changed = name.is_some() || package.is_some();
    let (name, package) = (name.map_or(Patch::Keep, Patch::Set), package.map_or(Patch::Keep, Patch::Set));
    changed.then(|| UserChanges { name, package, ..Default::default() })
}

fn new_user(user: &SeedUser) -> NewUser {
    NewUser {
        email: user.email.clone(),
        name: user.name.clone(),
        role: user.role,
        package: user.package,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use rylie_entities::UserRole;

    use super::Seed;

    #[test]
    fn a_file_may_name_any_part_and_nothing_else() {
        let seed = Seed::from_json(r#"{"agencies": [{"name": "A", "domain": "a.example"}]}"#).unwrap();
        assert!(seed.super_admin.is_none());
        assert!(Seed::from_json(r#"{"agencys": []}"#).is_err());
        assert!(Seed::from_json("").is_err());
        for list in [
            "[]",
            r#"[{"email": "a@b.example"}]"#,
            r#"{"users": [["a@b.example", null, "ADMIN", null]]}"#,
            r#"{"superAdmin": ["a@b.example", null, null, null]}"#,
            r#"{"settings": []}"#,
        ] {
            assert!(Seed::from_json(list).is_err(), "{list}");
        }
    }

    #[test]
    fn the_super_admin_of_a_file_is_one() {
        let seed = Seed::from_json(r#"{"superAdmin": {"email": "a@b.example", "role": "USER"}}"#).unwrap();
        assert_eq!(seed.super_admin.unwrap().role, Some(UserRole::SuperAdmin));
    }
}
