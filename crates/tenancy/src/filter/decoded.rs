//! Decodes rows into models. Frequently read tables are decoded by column index: looking up names, and building an
//! error for each null, dominates the decoding.

use rylie_entities::{
    account, agency, audit_log, ga4_connection, idempotency_key, monthly_usage, request, search_console_connection,
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
    idempotency_key,
    monthly_usage,
    search_console_connection,
    seoworks_task_mapping,
    session,
    system_settings,
    usage_event,
    user_preferences,
    verification_token
);

/// Reads the fields by their position, in the order of the table's columns. A nullable field is in brackets.
macro_rules! by_place {
    ($($table:ident { $($field:tt)+ })+) => {
        $(impl Decoded for $table::Entity {
            fn decoded(row: &QueryResult) -> Result<Self::Model, DbErr> {
                let mut places = 0..;
                by_place!(@ row, places, $table, {} $($field)+)
            }
        })+

        #[cfg(test)]
        const FIELDS: &[(&str, fn() -> Vec<String>)] = &[$((stringify!($($field)+), columns::<$table::Entity>)),+];
    };
    (@ $row:ident, $places:ident, $table:ident, {$($done:tt)*} [$field:ident] $($rest:tt)*) => {
        by_place!(@ $row, $places, $table, {$($done)* $field: nullable($row, next(&mut $places))?,} $($rest)*)
    };
    (@ $row:ident, $places:ident, $table:ident, {$($done:tt)*} $field:ident $($rest:tt)*) => {
        by_place!(@ $row, $places, $table, {$($done)* $field: $row.try_get_by_index(next(&mut $places))?,} $($rest)*)
    };
    (@ $row:ident, $places:ident, $table:ident, {$($done:tt)*}) => {
        Ok($table::Model { $($done)* })
    };
}

by_place! {
    request {
        id user_id [agency_id] title description kind priority status [package_type] pages_completed blogs_completed
        gbp_posts_completed improvements_completed [keywords] [target_url] [target_cities] [target_models]
        [completed_tasks] [content_url] [page_title] [completed_at] created_at updated_at [seoworks_task_id] tenant_id
        deleted [deleted_at]
    }
    task {
        id user_id request_id title [description] kind status priority [target_url] [target_city] [target_model]
        [keywords] [completed_url] [completed_title] [completed_notes] [due_date] [started_at] [completed_at] [metadata]
        created_at updated_at tenant_id deleted [deleted_at]
    }
    user {
        id email [email_verified] [name] [image] role [agency_id] [api_key] [api_key_created_at] onboarding_completed
        [active_package_type] [current_billing_period_start] [current_billing_period_end] pages_used_this_period
        blogs_used_this_period gbp_posts_used_this_period improvements_used_this_period created_at updated_at tenant_id
        [api_key_index]
    }
}

fn next(places: &mut std::ops::RangeFrom<usize>) -> usize {
    places.next().unwrap_or(usize::MAX)
}

fn nullable<T: TryGetable>(row: &QueryResult, place: usize) -> Result<Option<T>, DbErr> {
    let null = match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
        (Some(row), _) => row.try_get_raw(place).is_ok_and(|value| value.is_null()),
        (_, Some(row)) => row.try_get_raw(place).is_ok_and(|value| value.is_null()),
        _ => false,
    };
    if null { Ok(None) } else { row.try_get_by_index(place).map(Some) }
}

#[cfg(test)]
fn columns<E: EntityTrait>() -> Vec<String> {
    <E::Column as sea_orm::Iterable>::iter().map(|column| format!("{column:?}").to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_that_are_read_by_place_are_in_the_order_of_their_columns() {
        for (fields, columns) in super::FIELDS {
            let fields: Vec<_> = fields.split_whitespace().map(|field| field.replace(['[', ']', '_'], "")).collect();
            assert_eq!(fields, columns());
        }
    }
}
