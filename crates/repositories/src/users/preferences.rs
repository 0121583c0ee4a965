//! Notification preferences of users.

use async_trait::async_trait;
use rylie_entities::user_preferences::{ActiveModel, Column, Entity};
use rylie_entities::{UserId, UserPreferences, UserPreferencesId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};
use serde::Deserialize;

use crate::tx::Tx;
use crate::{Patch, Result};

/// Preferences, one row per user.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait PreferencesRepository: Send + Sync {
    /// Returns the user's preferences, or `None` if none were saved. The defaults of the table then apply.
    async fn find(&self, user: &UserId) -> Result<Option<UserPreferences>>;

    /// Saves `changes`, over the defaults if there is no row yet. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) if the user is not within reach. Fails with
    /// [`Error::Forbidden`](crate::Error::Forbidden) for a super admin other than the caller within a tenant.
    async fn save(&self, user: &UserId, changes: PreferencesChanges) -> Result<UserPreferences>;
}

/// Changes of a user's preferences; `None` and [`Patch::Keep`] keep the value. JSON with unknown fields is refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PreferencesChanges {
    /// Any mail at all.
    pub email_notifications: Option<bool>,
    /// Mail when a request is created.
    pub request_created: Option<bool>,
    /// Mail when a status changes.
    pub status_changed: Option<bool>,
    /// Mail when a task is done.
    pub task_completed: Option<bool>,
    /// Mail once a week.
    pub weekly_summary: Option<bool>,
    /// Mail about offers.
    pub marketing_emails: Option<bool>,
    /// IANA name of the time zone.
    pub timezone: Patch<String>,
    /// Language tag, such as `en`.
    pub language: Patch<String>,
}

#[async_trait]
impl PreferencesRepository for Tx {
    async fn find(&self, user: &UserId) -> Result<Option<UserPreferences>> {
        self.rows::<Entity>().filter(Column::UserId.eq(user)).at_once().one().await
    }

    async fn save(&self, user: &UserId, changes: PreferencesChanges) -> Result<UserPreferences> {
        let owner = self.owner(Some(user)).await?;
        let before = PreferencesRepository::find(self, &owner.id).await?;
        let old = before.as_ref();
        let kept = |new: Option<bool>, old: Option<bool>, default: bool| Set(new.or(old).unwrap_or(default));
        let text = |new: Patch<String>, old: Option<Option<String>>, default: &str| {
            Set(new.or(old.unwrap_or_else(|| Some(default.to_owned()))))
        };
        let row = ActiveModel {
            id: Set(old.map_or_else(|| UserPreferencesId::generate(self.env()), |row| row.id.clone())),
            tenant_id: Set(owner.tenant_id),
            user_id: Set(owner.id),
            email_notifications: kept(changes.email_notifications, old.map(|row| row.email_notifications), true),
            request_created: kept(changes.request_created, old.map(|row| row.request_created), true),
            status_changed: kept(changes.status_changed, old.map(|row| row.status_changed), true),
            task_completed: kept(changes.task_completed, old.map(|row| row.task_completed), true),
            weekly_summary: kept(changes.weekly_summary, old.map(|row| row.weekly_summary), true),
            marketing_emails: kept(changes.marketing_emails, old.map(|row| row.marketing_emails), false),
            timezone: text(changes.timezone, old.map(|row| row.timezone.clone()), "America/New_York"),
            language: text(changes.language, old.map(|row| row.language.clone()), "en"),
            created_at: Set(old.map_or_else(|| self.now(), |row| row.created_at)),
            updated_at: Set(self.now()),
        };
        self.upsert::<Entity>(row, &[Column::UserId], &CHANGED, Condition::all()).await
    }
}

const CHANGED: [Column; 9] = [
    Column::EmailNotifications,
    Column::RequestCreated,
    Column::StatusChanged,
    Column::TaskCompleted,
    Column::WeeklySummary,
    Column::MarketingEmails,
    Column::Timezone,
    Column::Language,
    Column::UpdatedAt,
];
