//! Agencies.

use async_trait::async_trait;
use rylie_audit::{Action, Event};
use rylie_entities::agency::{ActiveModel, Column, Entity};
use rylie_entities::{Agency, AgencyId, TenantId};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use sea_orm::prelude::Json;
use sea_orm::sea_query::Order;
use serde::Deserialize;

use crate::audit::AuditRepository;
use crate::limits;
use crate::tx::Tx;
use crate::{KeysetPage, KeysetRequest, Page, PageRequest, Result};

/// Agencies: a tenant unit reaches its own, a platform unit all.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AgencyRepository: Send + Sync {
    /// Returns the agency, or `None` if there is no such agency within reach.
    async fn find(&self, id: &AgencyId) -> Result<Option<Agency>>;

    /// Returns those of the agencies that exist within reach, in no particular order. One statement for any number.
    async fn find_many(&self, ids: &[AgencyId]) -> Result<Vec<Agency>>;

    /// Returns one page, oldest first.
    async fn list(&self, page: PageRequest) -> Result<Page<Agency>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page, and no total. Across tenants each page sorts
    /// all agencies, which are few.
    async fn list_after(&self, page: KeysetRequest) -> Result<KeysetPage<Agency>>;

    /// Applies `changes`. Recorded, with old and new values.
    ///
    /// Fails with [`Error::Forbidden`](crate::Error::Forbidden) for a scope that reaches only its own rows, and with
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such agency within reach. Fails with
    /// [`Error::Invalid`](crate::Error::Invalid) for an empty name, a name of more than 4,096 bytes, and settings of
    /// more than 262,144 bytes.
    async fn update(&self, id: &AgencyId, changes: AgencyChanges) -> Result<Agency>;
}

/// Adding and removing agencies.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AgencyAdministration: Send + Sync {
    /// Creates an agency. Recorded. Fails with [`Error::Conflict`](crate::Error::Conflict) if the domain is taken, and
    /// with [`Error::Invalid`](crate::Error::Invalid) for an empty name, and a name or domain of more than 4,096 bytes.
    async fn add(&self, new: NewAgency) -> Result<Agency>;

    /// Returns the agency with this domain.
    async fn find_by_domain(&self, domain: &str) -> Result<Option<Agency>>;

    /// Deletes the agency. Recorded. Its users and requests stay; each user becomes a separate tenant. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such agency.
    async fn remove(&self, id: &AgencyId) -> Result<()>;
}

/// An agency to create. JSON with unknown fields is refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAgency {
    /// Shown to its users.
    pub name: String,
    /// Its web domain, unique across all agencies.
    pub domain: Option<String>,
}

impl NewAgency {
    /// Creates an agency with a name and without a domain.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), domain: None }
    }
}

/// Changes of an agency; `None` keeps the value. JSON with unknown fields is refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AgencyChanges {
    /// Shown to its users.
    pub name: Option<String>,
    /// Free-form settings, replaced as a whole.
    pub settings: Option<Json>,
}

#[async_trait]
impl AgencyRepository for Tx {
    async fn find(&self, id: &AgencyId) -> Result<Option<Agency>> {
        self.of::<Entity>().find(id).await
    }

    async fn find_many(&self, ids: &[AgencyId]) -> Result<Vec<Agency>> {
        self.of::<Entity>().find_many(ids).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Agency>> {
        self.of::<Entity>().oldest_first().list(page).await
    }

    async fn list_after(&self, page: KeysetRequest) -> Result<KeysetPage<Agency>> {
        self.rows::<Entity>().walk(Order::Asc, &(), &page).await
    }

    async fn update(&self, id: &AgencyId, changes: AgencyChanges) -> Result<Agency> {
        self.administrators_only("change the agency")?;
        let before = self.of::<Entity>().get(id).await?;
        let mut set = ActiveModel { updated_at: Set(self.now()), ..Default::default() };
        let mut event = Event::new(Action::AgencyChanged).on(id);
        if let Some(name) = changes.name {
            let name = checked_name(name)?;
            event = event.changed("name", &before.name, &name);
            set.name = Set(name);
        }
        if let Some(settings) = changes.settings {
            let settings = limits::json("the settings", settings)?;
            event = event.changed("settings", &before.settings, &settings);
            set.settings = Set(settings);
        }
        let agency = self.of::<Entity>().update(id, set).await?;
        self.record(event).await?;
        Ok(agency)
    }
}

#[async_trait]
impl AgencyAdministration for Tx {
    async fn add(&self, new: NewAgency) -> Result<Agency> {
        let id = AgencyId::generate(self.env());
        let row = ActiveModel {
            tenant_id: Set(TenantId::of_agency(&id)),
            id: Set(id),
            name: Set(checked_name(new.name)?),
            domain: Set(new.domain.map(|domain| limits::line("the domain", domain)).transpose()?),
            settings: Set(Json::Object(serde_json::Map::new())),
            created_at: Set(self.now()),
            updated_at: Set(self.now()),
        };
        let agency = self.insert::<Entity>(row).await?;
        self.record(Event::new(Action::AgencyCreated).on(&agency.id)).await?;
        Ok(agency)
    }

    async fn find_by_domain(&self, domain: &str) -> Result<Option<Agency>> {
        self.rows::<Entity>().filter(Column::Domain.eq(domain)).one().await
    }

    async fn remove(&self, id: &AgencyId) -> Result<()> {
        self.delete_one::<Entity>(Column::Id.eq(id), "Agency").await?;
        self.record(Event::new(Action::AgencyDeleted).on(id)).await
    }
}

fn checked_name(name: String) -> Result<String> {
    limits::not_empty("the agency's name", name)
}
