//! Lets only the owner put a trigger function on a table that works with its owner's rights.
//!
//! Every login may create temporary tables, and a trigger on such a table called these functions with any rows. With
//! `rylie_audit_enqueue` it could take the positions of coming records, whose transactions then failed. During the
//! coexistence with the old service it could learn the tenant of a request or user. A trigger that exists fires for
//! every writer, whatever its rights on the function.

use crate::deploy::coexistence::FILLING;
use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct ReserveTriggerFunctions;

impl Migration for ReserveTriggerFunctions {
    fn name(&self) -> &'static str {
        "m20261128_000085_reserve_trigger_functions"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        of_each(engine, |function| format!("REVOKE ALL ON FUNCTION public.{function} FROM PUBLIC"))
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        of_each(engine, |function| format!("GRANT EXECUTE ON FUNCTION public.{function} TO PUBLIC"))
    }
}

fn of_each(engine: Engine, statement: impl Fn(&str) -> String) -> Vec<Step> {
    if engine == Engine::Sqlite {
        return Vec::new();
    }
    let functions = ["rylie_audit_enqueue()", "rylie_audit_position()"].into_iter().chain(FILLING);
    functions.map(|function| Step::sql(statement(function))).collect()
}
