//! The migration cases, mounted on their engines; each gets an empty database.

use rylie_testkit::{Cluster, SqliteDatabase};

use crate::adoption::{adopt, reversal, way_back};
use crate::migration::{deploy, filling, guards, history, kill, roles, schema, tenant_key};

macro_rules! on_sqlite {
    ($($module:ident::$case:ident,)+) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = SqliteDatabase::new().unwrap();
                $module::$case(&database.url()).await;
            })+
        }
    };
}

macro_rules! on_postgres {
    ($($module:ident::$case:ident,)+) => {
        mod postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
                $module::$case(&database.url()).await;
            })+
        }
    };
}

/// Mounts common cases on both engines, and the others on theirs.
macro_rules! cases {
    (both: { $($both:ident::$both_case:ident,)+ } postgres: { $($pg:ident::$pg_case:ident,)+ } sqlite: { $($lite:ident::$lite_case:ident,)+ }) => {
        on_sqlite!($($both::$both_case,)+ $($lite::$lite_case,)+);
        on_postgres!($($both::$both_case,)+ $($pg::$pg_case,)+);
    };
}

cases! {
    both: {
        deploy::a_later_version_is_left_alone,
        deploy::a_second_deploy_has_nothing_to_do,
        deploy::a_table_of_another_shape_is_refused_by_name,
        deploy::eight_at_once_apply_each_migration_once,
        deploy::status_only_reads,
        guards::a_fresh_database_is_marked_for_development,
        guards::a_reset_empties_a_database_of_ours,
        guards::an_event_without_a_user_survives_the_way_back,
        guards::another_applications_database_is_left_alone,
        guards::production_is_left_with_a_reason_that_is_audited,
        guards::production_is_not_taken_back,
        guards::what_is_not_ours_is_not_reset,
        history::a_check_that_does_not_hold_fails_the_migration,
        history::a_failed_migration_says_where_and_goes_on_when_fixed,
        history::a_forged_record_is_refused,
        history::a_migration_put_in_before_an_applied_one_is_refused,
        history::a_missing_migration_is_refused,
        history::a_renamed_migration_is_refused,
        history::an_edited_migration_is_refused,
        history::only_what_needs_fixing_is_resolved,
        history::what_an_earlier_version_applied_is_trusted_on_first_use,
        schema::down_to_the_first_leaves_the_base,
        schema::each_down_undoes_its_up,
        schema::seaorm_migrator_works,
        schema::the_squash_makes_what_the_replay_makes,
        schema::up_down_up_leaves_the_same_schema,
        way_back::a_sealed_log_of_every_actor_survives_a_redeploy,
        tenant_key::a_change_of_agency_moves_the_children,
        tenant_key::a_change_of_ids_is_followed,
        tenant_key::a_forged_tenant_is_refused,
        tenant_key::a_row_follows_its_new_parent,
        tenant_key::a_writer_that_knows_nothing_of_it_gets_it,
        tenant_key::an_unknown_parent_is_the_foreign_keys_error,
        tenant_key::each_foreign_key_is_led_by_an_index,
        tenant_key::more_rows_than_a_batch_are_filled_in,
        tenant_key::old_rows_are_filled_in,
        tenant_key::rows_begin_undeleted,
        tenant_key::the_audit_log_outlives_its_actor,
        tenant_key::the_end_of_an_agency_moves_the_children,
    }
    postgres: {
        adopt::a_database_of_prismas_is_adopted,
        adopt::a_dry_run_writes_nothing,
        adopt::a_killed_adoption_is_taken_up_again,
        adopt::rows_that_name_a_user_of_another_tenant_are_reported,
        adopt::a_missing_column_is_refused,
        adopt::a_missing_key_and_other_labels_are_refused,
        adopt::a_second_adoption_changes_nothing,
        adopt::a_stranger_may_not_adopt,
        adopt::a_superuser_adopts_for_the_owner,
        adopt::an_empty_database_is_not_adopted,
        adopt::another_application_is_refused,
        adopt::the_owner_of_the_tables_may_adopt,
        deploy::a_held_lock_is_named,
        deploy::a_killed_deploy_is_taken_up_again,
        deploy::a_table_in_use_is_waited_for_in_short_turns,
        deploy::an_invalid_index_is_made_anew,
        deploy::eight_at_once_build_an_index_concurrently,
        deploy::leftovers_of_a_reindex_are_removed,
        deploy::readers_do_not_queue_behind_a_waiting_change,
        deploy::writes_go_on_meanwhile,
        kill::a_deploy_killed_in_a_statement_goes_on_or_names_the_doubt,
        kill::a_deploy_killed_between_two_statements_goes_on,
        kill::every_step_may_be_done_twice,
        filling::a_batch_ends_with_its_client,
        filling::a_batch_reads_what_is_committed,
        filling::missing_statistics_fail_no_migration,
        filling::statistics_wait_for_autovacuum,
        filling::a_batch_reaches_its_rows_by_an_index,
        filling::a_batch_that_takes_too_long_is_made_smaller,
        filling::a_slow_row_is_filled_all_the_same,
        filling::what_a_released_statement_began_is_continued,
        guards::a_stranger_may_neither_deploy_nor_take_back,
        guards::only_the_owner_marks,
        reversal::a_wanted_name_that_is_taken_is_in_the_way,
        reversal::an_adoption_is_taken_back_to_what_prisma_left,
        reversal::an_index_that_is_there_under_another_name_is_named,
        way_back::a_sealed_log_of_every_actor_survives_an_undone_adoption,
        way_back::a_record_that_is_written_meanwhile_does_not_stop_it,
        way_back::a_reader_of_one_tenant_does_not_see_others_afterwards,
        way_back::an_interrupted_reversal_keeps_the_log,
        way_back::what_depends_on_our_objects_is_named_before_the_first_step,
        roles::a_reader_of_one_tenant_cannot_see_another,
        roles::a_reader_of_every_tenant_may_write_nothing,
        roles::a_reader_sees_no_column_with_a_secret,
        roles::a_service_is_bound_and_ready,
        roles::a_login_that_only_joined_the_role_learns_its_missing_right,
        roles::an_unsafe_login_is_refused,
        roles::nobody_may_delete_from_the_audit_log,
        roles::the_server_gets_a_verifier_that_lets_the_login_in,
        roles::our_own_tables_are_open_to_whom_they_are_for,
        roles::tables_to_come_are_opened,
        roles::who_sees_every_tenant_is_declared_and_audited,
        schema::the_file_of_the_base_is_what_the_first_migration_makes,
        schema::the_file_of_the_schema_is_what_all_migrations_make,
    }
    sqlite: {
        adopt::sqlite_is_not_adopted,
    }
}
