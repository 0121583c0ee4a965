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
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SettingsRepository: Send + Sync {
    /// The settings, or `None` before the database was seeded.
    async fn find(&self) -> Result<Option<SystemSettings>>;

    /// Makes the row with the defaults of the table, unless it is there. `true` if it was made.
    async fn ensure(&self) -> Result<bool>;

    /// Changes what is named in `changes`. Recorded, with old and new values.
    /// [`Error::NotFound`] before the database was seeded.
    async fn update(&self, changes: SettingsChanges) -> Result<SystemSettings>;
}

macro_rules! changes {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)+) => {
        /// What to change of the settings; `None` leaves it.
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "camelCase")]
        pub struct SettingsChanges {
            $($(#[$doc])* pub $field: Option<$type>,)+
        }

        impl SettingsChanges {
            fn model(&self) -> ActiveModel {
                ActiveModel { $($field: self.$field.clone().map_or(NotSet, Set),)+ ..Default::default() }
            }

            /// Whether anything named here is other than in `settings`.
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
    /// Only administrators may use the platform.
    maintenance_mode: bool,
    /// Strangers may sign up.
    new_user_registration: bool,
    /// The platform sends mail.
    email_notifications: bool,
    /// Ordinary events are recorded.
    audit_logging: bool,
    /// Limit for an agency.
    max_users_per_agency: i32,
    /// Limit for a user.
    max_requests_per_user: i32,
    /// Limit for a file, in megabytes.
    max_file_upload_size: i32,
    /// Mail server; empty for none.
    smtp_host: String,
    /// Its port.
    smtp_port: i32,
    /// Name to sign in there.
    smtp_user: String,
    /// Sender of the platform's mail.
    smtp_from_email: String,
    /// Shown in maintenance mode.
    maintenance_message: String,
    /// Shown to a new user.
    welcome_message: String,
    /// Calls a minute a user.
    rate_limit_per_minute: i32,
    /// How long a session lasts.
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
        self.insert_shared::<Entity>(row).await?;
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
