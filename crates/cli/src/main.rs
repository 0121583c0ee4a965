//! The command `rylie`, for the platform's tables alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    rylie_cli::run(rylie_db::own::Schema::new())
}
