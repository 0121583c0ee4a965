use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::job::JobContext;

struct Nothing(&'static str);

#[async_trait]
impl Job for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn cron(&self) -> &'static str {
        self.0
    }

    async fn run(&self, _context: &JobContext) -> Result<serde_json::Value> {
        Ok(serde_json::Value::Null)
    }
}

fn schedule(cron: &'static str, settings: &[(&str, &str)]) -> Result<Schedule> {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Schedule::of(&Nothing(cron), &settings)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Returns every due time in the range, in order.
fn due_times(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = at(from);
    while let Some(next) = schedule.next_after(after).filter(|next| *next <= at(to)) {
        found.push(next.format("%dT%H:%M").to_string());
        after = next;
    }
    found
}

#[test]
fn a_fixed_time_in_the_gap_of_spring_is_due_at_its_end() {
    let nightly = schedule("30 2 * * *", &[("zone", "Europe/Berlin")]).unwrap();
    // On 29 March the clock jumps from 2:00 to 3:00, at 1:00 UTC.
    let found = due_times(&nightly, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(found, ["28T01:30", "29T01:00", "30T00:30"]);
}

#[test]
fn a_fixed_time_that_shows_twice_in_autumn_is_due_once() {
    let nightly = schedule("30 2 * * *", &[("zone", "Europe/Berlin")]).unwrap();
    // On 25 October the clock shows 2:30 twice, at 0:30 and 1:30 UTC.
    let found = due_times(&nightly, "2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(found, ["24T00:30", "25T00:30", "26T01:30"]);
}

#[test]
fn a_repeating_one_goes_on_through_both_changes() {
    let half_hourly = schedule("*/30 * * * *", &[("zone", "Europe/Berlin")]).unwrap();
    for (from, to) in
        [("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z"), ("2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z")]
    {
        assert_eq!(due_times(&half_hourly, from, to).len(), 6);
    }
}

#[test]
fn what_was_missed_is_skipped_made_up_for_once_or_run_with_a_cap() {
    let plan = |settings| {
        schedule("0 * * * *", settings).unwrap().plan(at("2026-01-01T00:00:00Z"), at("2026-01-04T00:30:00Z"))
    };

    assert_eq!(plan(&[("missed", "skip")]), Plan::Skip(at("2026-01-04T00:00:00Z")));
    assert_eq!(plan(&[("missed", "once")]), Plan::Run(at("2026-01-04T00:00:00Z")));
    assert_eq!(plan(&[("missed", "all"), ("cap", "5")]), Plan::Run(at("2026-01-03T20:00:00Z")));
}

#[test]
fn what_is_on_time_is_not_missed() {
    let hourly = schedule("0 * * * *", &[("missed", "skip")]).unwrap();
    let due = at("2026-01-01T01:00:00Z");
    assert_eq!(hourly.plan(at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:30Z")), Plan::Run(due));
    assert_eq!(hourly.plan(due, at("2026-01-01T01:00:30Z")), Plan::Nothing);
}

#[test]
fn never_is_never_due() {
    for setting in [("cron", "never"), ("enabled", "false")] {
        let never = schedule("0 * * * *", &[setting]).unwrap();
        assert_eq!(never.next_after(at("2026-01-01T00:00:00Z")), None);
        assert_eq!(never.plan(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")), Plan::Nothing);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (name, value) in [
        ("cron", ""),
        ("cron", "61 * * * *"),
        ("cron", "canary"),
        ("cron", "0 30 3 * * *"),
        ("cron", "0 0 30 2 *"),
        ("zone", "Mars/Olympus"),
        ("missed", "never"),
        ("cap", "0"),
        ("cap", "3"),
        ("timeout", "0s"),
        ("timeout", "-1h"),
        ("jitter", "soon"),
        ("jitter", "99999999999999999999d"),
        ("enabled", "perhaps"),
        ("crom", "* * * * *"),
    ] {
        let error = schedule("0 * * * *", &[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(&format!("schedule.nothing.{name}")), "{error}");
    }
}

proptest! {
    /// Two processes that count from different instants agree on the due times, forwards and backwards, and across
    /// both clock changes.
    #[test]
    fn due_times_do_not_depend_on_when_one_begins_to_count(
        cron in prop::sample::select(vec!["30 2 * * *", "*/15 * * * *", "0 2,3 * * *", "0 0 29 2 *", "5 4 * * 0", "30 1 * * *", "0 */2 * * *"]),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
        start in 1_772_000_000_i64..1_795_000_000,
        earlier in 0_i64..200_000,
        length in 0_i64..200_000,
    ) {
        let schedule = schedule(cron, &[("zone", zone)]).unwrap();
        let time = |seconds| DateTime::<Utc>::from_timestamp(seconds, 0).unwrap();
        let (from, to) = (time(start), time(start + length));
        let forwards = |mut after: DateTime<Utc>| {
            let mut found = Vec::new();
            while let Some(next) = schedule.next_after(after).filter(|next| *next <= to) {
                found.push(next);
                after = next;
            }
            found.retain(|due| *due > from);
            found
        };
        let mut backwards = schedule.due_between(from, to, 1_000);
        backwards.reverse();

        prop_assert_eq!(&forwards(from), &forwards(time(start - earlier)));
        prop_assert_eq!(forwards(from), backwards);
    }
}
