//! The growth of the primary's log, from which a replica's staleness follows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::look::Identity;
use crate::log_position::LogPosition;

/// Positions of the primary's log, each with the time of its query. No two clocks are compared: a replica that has
/// replayed the position of a time shows everything committed before that time.
#[derive(Default)]
pub(super) struct PrimaryLog {
    identity: Option<Identity>,
    /// Oldest first; times and positions both increase.
    seen: VecDeque<(Instant, LogPosition)>,
}

impl PrimaryLog {
    /// Records the log position after `asked` and drops entries older than `kept`.
    pub(super) fn note(&mut self, asked: Instant, position: LogPosition, identity: Identity, kept: Duration) {
        let goes_on = self.identity == Some(identity) && self.seen.back().is_none_or(|(_, last)| *last <= position);
        if !goes_on {
            // Another server or timeline, or a server that was reset: earlier positions do not apply.
            self.seen.clear();
            self.identity = Some(identity);
        }
        while self.seen.front().is_some_and(|(at, _)| asked.duration_since(*at) > kept) {
            self.seen.pop_front();
        }
        self.seen.push_back((asked, position));
    }

    /// Returns the server, database and timeline, or `None` before the first answer.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Returns a time such that a replica with this replay position shows all earlier commits. Returns `None` if that
    /// was too long ago to know.
    pub(super) fn shown_by(&self, replayed: LogPosition) -> Option<Instant> {
        let replayed = self.seen.partition_point(|(_, position)| *position <= replayed);
        replayed.checked_sub(1).and_then(|newest| self.seen.get(newest)).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Duration = Duration::from_secs(10);
    const SERVER: Identity = Identity { system: 1, database: 1, timeline: 1 };

    fn at(log: u64) -> LogPosition {
        LogPosition::of_log(i64::try_from(log).unwrap())
    }

    #[test]
    fn a_replica_is_as_old_as_the_newest_position_that_it_has_replayed() {
        let (mut log, begin) = (PrimaryLog::default(), Instant::now());
        let second = |number| begin + Duration::from_secs(number);
        for (number, position) in [(0, 100), (1, 100), (2, 200), (3, 300)] {
            log.note(second(number), at(position), SERVER, KEPT);
        }

        assert_eq!(log.shown_by(at(99)), None);
        assert_eq!(log.shown_by(at(100)), Some(second(1)), "nothing was written meanwhile");
        assert_eq!(log.shown_by(at(299)), Some(second(2)));
        assert_eq!(log.shown_by(at(1_000)), Some(second(3)));
    }

    #[test]
    fn what_is_old_and_what_was_of_another_server_is_forgotten() {
        let (mut log, begin) = (PrimaryLog::default(), Instant::now());
        log.note(begin, at(100), SERVER, KEPT);
        log.note(begin + Duration::from_secs(11), at(200), SERVER, KEPT);
        assert_eq!(log.shown_by(at(100)), None);

        log.note(begin + Duration::from_secs(12), at(150), SERVER, KEPT);
        assert_eq!(log.shown_by(at(199)), Some(begin + Duration::from_secs(12)), "set back");

        log.note(begin + Duration::from_secs(13), at(500), Identity { timeline: 2, ..SERVER }, KEPT);
        assert_eq!(log.shown_by(at(499)), None);

        log.note(begin + Duration::from_secs(14), at(900), Identity { system: 2, ..SERVER }, KEPT);
        assert_eq!(log.shown_by(at(899)), None);
    }
}
