//! Tests of the built command, run as users run it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers fail a test by panicking, as the tests themselves do")]

mod adopt;
mod adopt_undo;
mod adopted_secrets;
mod alerts_over_tls;
mod audit;
mod audit_export;
mod backup;
mod backup_defects;
mod backup_erasures;
mod backup_postgres;
mod causes;
mod environment;
mod foreign_files;
mod guards;
mod history;
mod keys;
mod killed_scheduler;
mod maintain;
mod managed;
mod migrate;
mod object_storage;
mod output;
mod postgres;
mod roles;
mod rotation;
mod scheduler;
mod schema;
mod secrets;
mod seed;
mod settings;
mod size;
mod support;
mod tenant;
mod tls_server;
mod waits;
