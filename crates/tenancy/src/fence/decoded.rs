//! Decodes rows into models. Frequently read tables are decoded by column index: looking up names, and building an
//! error for each null, dominates the decoding.

use rylie_entities::{
    account, agency, audit_log, ga4_connection, monthly_usage, request, search_console_connection,
    seoworks_task_mapping, session, system_settings, task, usage_event, user, user_preferences, verification_token,
};
use sea_orm::{DbErr, EntityTrait, FromQueryResult, QueryResult, TryGetable};
use sqlx::{Row, ValueRef};

/// Decodes a row with all columns of the table, in their order, into its model.
pub trait Decoded: EntityTrait {
    /// Decodes a row.
    fn decoded(row: &QueryResult) -> Result<Self::Model, DbErr> {
        Self::Model::from_query_result(row, "")
    }
}

macro_rules! by_name {
    ($($table:ident),+) => {
        $(impl Decoded for $table::Entity {})+
    };
}
by_name!(
    account,
    agency,
    audit_log,
    ga4_connection,
    monthly_usage,
    search_console_connection,
    seoworks_task_mapping,
    session,
    system_settings,
    usage_event,
    user_preferences,
    verification_token
);

/// Maps each field to its column, whose number is its index; nullable fields are in brackets.
macro_rules! by_place {
    ($table:ident { $($field:tt = $column:ident),+ $(,)? }) => {
        impl Decoded for $table::Entity {
            fn decoded(row: &QueryResult) -> Result<Self::Model, DbErr> {
                by_place!(@ row, $table, {} $($field = $column,)+)
            }
        }
    };
    (@ $row:ident, $table:ident, {$($done:tt)*} [$field:ident] = $column:ident, $($rest:tt)*) => {
        by_place!(@ $row, $table, {$($done)* $field: nullable($row, $table::Column::$column as usize)?,} $($rest)*)
    };
    (@ $row:ident, $table:ident, {$($done:tt)*} $field:ident = $column:ident, $($rest:tt)*) => {
        by_place!(@ $row, $table, {$($done)* $field: $row.try_get_by_index($table::Column::$column as usize)?,} $($rest)*)
    };
    (@ $row:ident, $table:ident, {$($done:tt)*}) => {
        Ok($table::Model { $($done)* })
    };
}

by_place!(request {
    id = Id,
    user_id = UserId,
    [agency_id] = AgencyId,
    title = Title,
    description = Description,
    kind = Kind,
    priority = Priority,
    status = Status,
    [package_type] = PackageType,
    pages_completed = PagesCompleted,
    blogs_completed = BlogsCompleted,
    gbp_posts_completed = GbpPostsCompleted,
    improvements_completed = ImprovementsCompleted,
    [keywords] = Keywords,
    [target_url] = TargetUrl,
    [target_cities] = TargetCities,
    [target_models] = TargetModels,
    [completed_tasks] = CompletedTasks,
    [content_url] = ContentUrl,
    [page_title] = PageTitle,
    [completed_at] = CompletedAt,
    created_at = CreatedAt,
    updated_at = UpdatedAt,
    [seoworks_task_id] = SeoworksTaskId,
    tenant_id = TenantId,
    deleted = Deleted,
    [deleted_at] = DeletedAt,
});

by_place!(task {
    id = Id,
    user_id = UserId,
    request_id = RequestId,
    title = Title,
    [description] = Description,
    kind = Kind,
    status = Status,
    priority = Priority,
    [target_url] = TargetUrl,
    [target_city] = TargetCity,
    [target_model] = TargetModel,
    [keywords] = Keywords,
    [completed_url] = CompletedUrl,
    [completed_title] = CompletedTitle,
    [completed_notes] = CompletedNotes,
    [due_date] = DueDate,
    [started_at] = StartedAt,
    [completed_at] = CompletedAt,
    [metadata] = Metadata,
    created_at = CreatedAt,
    updated_at = UpdatedAt,
    tenant_id = TenantId,
    deleted = Deleted,
    [deleted_at] = DeletedAt,
});

by_place!(user {
    id = Id,
    email = Email,
    [email_verified] = EmailVerified,
    [name] = Name,
    [image] = Image,
    role = Role,
    [agency_id] = AgencyId,
    [api_key] = ApiKey,
    [api_key_created_at] = ApiKeyCreatedAt,
    onboarding_completed = OnboardingCompleted,
    [active_package_type] = ActivePackageType,
    [current_billing_period_start] = CurrentBillingPeriodStart,
    [current_billing_period_end] = CurrentBillingPeriodEnd,
    pages_used_this_period = PagesUsedThisPeriod,
    blogs_used_this_period = BlogsUsedThisPeriod,
    gbp_posts_used_this_period = GbpPostsUsedThisPeriod,
    improvements_used_this_period = ImprovementsUsedThisPeriod,
    created_at = CreatedAt,
    updated_at = UpdatedAt,
    tenant_id = TenantId,
    [api_key_index] = ApiKeyIndex,
});

fn nullable<T: TryGetable>(row: &QueryResult, place: usize) -> Result<Option<T>, DbErr> {
    let null = match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
        (Some(row), _) => row.try_get_raw(place).is_ok_and(|value| value.is_null()),
        (_, Some(row)) => row.try_get_raw(place).is_ok_and(|value| value.is_null()),
        _ => false,
    };
    if null { Ok(None) } else { row.try_get_by_index(place).map(Some) }
}
