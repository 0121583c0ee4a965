//! The server and its settings.

mod archive;
mod certificate;
mod clock;
mod durability;
mod host_rules;
mod settings;
mod version;

use super::check::{CheckSpec, Look, REACHABLE, by_code};

pub(super) use certificate::certificate;
pub use certificate::certificate_outcome;
pub(super) use clock::clock;
pub use clock::clock_outcome;
pub use version::{minor_version_outcome, replica_outcome};

pub(super) static CHECKS: [CheckSpec; 32] = [
    by_code(REACHABLE, "The database cannot be reached, so nothing else was looked at.", Look::Code).fix(
        "start the server, or end sessions if it has no connection left; check the URL with `rylie config show`",
        "none",
    ),
    version::REPLICA,
    version::MINOR_VERSION,
    version::INVALID_DATABASE,
    version::COLLATION,
    durability::FSYNC,
    durability::FULL_PAGE_WRITES,
    durability::CHECKSUMS,
    durability::CHECKSUM_FAILURES,
    durability::SYNCHRONOUS_COMMIT,
    archive::REPLICATION_LAG,
    archive::SYNCHRONOUS_STANDBY,
    archive::SLOTS,
    archive::SLOT_LIMIT,
    archive::ARCHIVER,
    archive::WAL_SIZE,
    archive::CHECKPOINTS,
    settings::TEMPORARY_FILES,
    settings::AUTOVACUUM,
    settings::TRACK_COUNTS,
    settings::TIMEOUTS,
    settings::READ_ONLY,
    settings::SHARED_BUFFERS,
    settings::PENDING_RESTART,
    host_rules::TRUST,
    host_rules::FILE_ERRORS,
    host_rules::PASSWORDS,
    host_rules::LOGIN_EXPIRY,
    host_rules::TLS,
    by_code(
        "server.certificate",
        "The server's TLS certificate ends soon, and clients refuse it then.",
        Look::PostgresCode,
    )
    .limits(30.0, 7.0, "days left, at most")
    .fix("install a new certificate, then SELECT pg_reload_conf()", "none"),
    host_rules::POOLER,
    by_code(
        "server.clock",
        "The clocks of the server and of this machine differ, so leases and sessions end early or late.",
        Look::PostgresCode,
    )
    .limits(5.0, 60.0, "seconds")
    .fix("start a time service on both machines, such as chrony", "none"),
];
