//! The platform's settings.

use async_trait::async_trait;
use rylie_audit::{Action, Event};
use rylie_entities::system_settings::{ActiveModel, Column, Entity};
use rylie_entities::{SystemSettings, SystemSettingsId};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::ColumnTrait;

use crate::audit::AuditRepository;
use crate::tx::Tx;
use crate::{Error, Result};

/// The platform's settings: one row, `default`.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SettingsRepository: Send + Sync {
    /// Returns the settings, or `None` before the database was seeded.
    async fn find(&self) -> Result<Option<SystemSettings>>;

    /// Inserts the row with the defaults of the table, unless it exists. Returns whether it was inserted. Fails with
    /// [`Error::Contention`] if another unit inserts it concurrently.
    async fn ensure(&self) -> Result<bool>;

    /// Applies `changes`. Recorded, with old and new values. Fails with [`Error::NotFound`] before the database was
    /// seeded.
    async fn update(&self, changes: SettingsChanges) -> Result<SystemSettings>;
}

macro_rules! changes {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)+) => {
        /// Changes of the settings; `None` keeps the value.
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "camelCase")]
        pub struct SettingsChanges {
            $($(#[$doc])* pub $field: Option<$type>,)+
        }

        impl SettingsChanges {
            fn model(&self) -> ActiveModel {
                ActiveModel { $($field: self.$field.clone().map_or(NotSet, Set),)+ ..Default::default() }
            }

            /// Returns whether a value differs from `settings`.
            #[must_use]
            pub fn differ_from(&self, settings: &SystemSettings) -> bool {
                $(self.$field.as_ref().is_some_and(|new| *new != settings.$field) ||)+ false
            }

            fn event(&self, before: &SystemSettings) -> Event {
                let mut event = Event::new(Action::SettingsChanged).on(&before.id);
                $(if let Some(new) = &self.$field && *new != before.$field {
                    event = event.changed(stringify!($field), &before.$field, new);
                })+
                event
            }
        }
    };
}

changes! {
    /// Whether only administrators may use the platform.
    maintenance_mode: bool,
    /// Whether new users may sign up.
    new_user_registration: bool,
    /// Whether the platform sends mail.
    email_notifications: bool,
    /// Whether ordinary events are recorded.
    audit_logging: bool,
    /// Maximum number of users in an agency.
    max_users_per_agency: i32,
    /// Maximum number of requests of a user.
    max_requests_per_user: i32,
    /// Maximum size of an uploaded file, in megabytes.
    max_file_upload_size: i32,
    /// Host of the mail server; empty for none.
    smtp_host: String,
    /// Port of the mail server.
    smtp_port: i32,
    /// User name at the mail server.
    smtp_user: String,
    /// Sender of the platform's mail.
    smtp_from_email: String,
    /// Message shown in maintenance mode.
    maintenance_message: String,
    /// Message shown to a new user.
    welcome_message: String,
    /// Calls allowed per minute and user.
    rate_limit_per_minute: i32,
    /// Lifetime of a session, in minutes.
    session_timeout_minutes: i32,
}

const ID: &str = "default";

#[async_trait]
impl SettingsRepository for Tx {
    async fn find(&self) -> Result<Option<SystemSettings>> {
        self.shared_rows::<Entity>().filter(Column::Id.eq(ID)).one().await
    }

    async fn ensure(&self) -> Result<bool> {
        if SettingsRepository::find(self).await?.is_some() {
            return Ok(false);
        }
        let id: SystemSettingsId = ID.parse().map_err(|_| Error::NotFound { entity: "SystemSettings" })?;
        let row =
            ActiveModel { id: Set(id), created_at: Set(self.now()), updated_at: Set(self.now()), ..Default::default() };
        self.insert_shared::<Entity>(row).await.map_err(Error::conflict_is_contention)?;
        Ok(true)
    }

    async fn update(&self, changes: SettingsChanges) -> Result<SystemSettings> {
        let before = SettingsRepository::find(self).await?.ok_or(Error::NotFound { entity: "SystemSettings" })?;
        let mut set = changes.model();
        set.updated_at = Set(self.now());
        let after = self.update_shared::<Entity>(set, Column::Id.eq(ID)).await?;
        self.record(changes.event(&before)).await?;
        if let Some(action) = changes.audit_logging.filter(|on| *on != before.audit_logging).map(switched) {
            self.record(Event::new(action)).await?;
            self.settings_changed();
        }
        after.into_iter().next().ok_or(Error::NotFound { entity: "SystemSettings" })
    }
}

fn switched(on: bool) -> Action {
    if on { Action::AuditLoggingStarted } else { Action::AuditLoggingStopped }
}
