//! Settings of the whole platform; one row, `default`.

use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::Timestamp;

crate::id! {
    /// The key of [`SystemSettings`].
    SystemSettingsId
}

/// Settings of the whole platform; one row, `default`.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "SystemSettings", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SystemSettingsId,
    /// Only administrators may use the platform.
    pub maintenance_mode: bool,
    /// Strangers may sign up.
    pub new_user_registration: bool,
    /// The platform sends mail.
    pub email_notifications: bool,
    /// Ordinary events are recorded.
    pub audit_logging: bool,
    /// Limit for an agency.
    pub max_users_per_agency: i32,
    /// Limit for a user.
    pub max_requests_per_user: i32,
    /// Limit for a file, in megabytes.
    pub max_file_upload_size: i32,
    /// Mail server; empty for none.
    #[sea_orm(column_type = "Text")]
    pub smtp_host: String,
    /// Its port.
    pub smtp_port: i32,
    /// Name to sign in there.
    #[sea_orm(column_type = "Text")]
    pub smtp_user: String,
    /// Sender of the platform's mail.
    #[sea_orm(column_type = "Text")]
    pub smtp_from_email: String,
    /// Shown in maintenance mode.
    #[sea_orm(column_type = "Text")]
    pub maintenance_message: String,
    /// Shown to a new user.
    #[sea_orm(column_type = "Text")]
    pub welcome_message: String,
    /// Calls a minute a user.
    pub rate_limit_per_minute: i32,
    /// How long a session lasts.
    pub session_timeout_minutes: i32,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}

pub use Model as SystemSettings;
