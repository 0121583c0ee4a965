//! The command `rylie` of the service: it knows the service's own tables.

use std::process::ExitCode;

fn main() -> ExitCode {
    rylie_cli::run(downstream::schema())
}
