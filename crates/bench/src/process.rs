//! Resource usage of this process and of a server from `/proc` (proc(5)); zero or nothing on systems without it.

use std::fs;

/// Returns the processor time of all live threads in seconds, with microsecond precision.
pub(crate) fn cpu_seconds() -> f64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        times.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Returns the peak resident memory in megabytes.
pub(crate) fn peak_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// How often a server's times are read until none of its processes ends between them.
const ATTEMPTS: usize = 100;

/// The processor time of a PostgreSQL server on this machine, including its ended processes.
#[derive(Clone, Copy)]
pub(crate) struct ServerTime {
    postmaster: i32,
    ticks: u64,
}

impl ServerTime {
    /// Reads it. `backend` is the process of an open connection. Returns `None` if the server is elsewhere, or if its
    /// processes end all the time.
    pub(crate) fn of(backend: i32) -> Option<Self> {
        let postmaster = times(&backend.to_string())?.parent;
        let ended = || Some(times(&postmaster.to_string())?.ended_children);
        for _ in 0..ATTEMPTS {
            let before = ended()?;
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
            let children = processes.filter_map(|entry| times(entry.file_name().to_str()?));
            let running: u64 = children.filter(|times| times.parent == postmaster).map(|times| times.own).sum();
            // A process that ended between them may be missing in both numbers, or counted in both.
            if ended()? == before {
                return Some(Self { postmaster, ticks: before + running });
            }
        }
        None
    }

    /// Returns the seconds since an earlier time of the same server. Returns `None` for another server, as after a
    /// restart.
    pub(crate) fn seconds_since(self, earlier: Self) -> Option<f64> {
        let ticks = self.ticks.checked_sub(earlier.ticks).filter(|_| self.postmaster == earlier.postmaster)?;
        // A hundred ticks are a second on Linux (sysconf(3), `_SC_CLK_TCK`).
        Some(f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) / 100.0)
    }
}

/// The processor times of a process in ticks.
struct Times {
    parent: i32,
    own: u64,
    ended_children: u64,
}

fn times(process: &str) -> Option<Times> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Times {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        ended_children: ticks(13)? + ticks(14)?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::ServerTime;

    fn started(program: &str, arguments: &[&str]) -> Child {
        Command::new(program).args(arguments).spawn().unwrap()
    }

    /// Returns the time of this process's children, one of which still runs.
    fn now(open: &Child) -> ServerTime {
        ServerTime::of(i32::try_from(open.id()).unwrap()).unwrap()
    }

    #[test]
    fn an_ended_connection_shows_no_time() {
        let mut ended = started("true", &[]);
        ended.wait().unwrap();

        assert!(ServerTime::of(i32::try_from(ended.id()).unwrap()).is_none());
    }

    #[test]
    fn the_time_of_ended_processes_counts_and_never_decreases() {
        let mut open = started("sleep", &["600"]);
        let (first, mut last) = (now(&open), now(&open));
        for _ in 0..5 {
            let mut busy = started("sh", &["-c", "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done"]);
            while busy.try_wait().unwrap().is_none() {
                let time = now(&open);
                assert!(time.seconds_since(last).is_some(), "it decreased");
                last = time;
            }
        }
        let all = now(&open).seconds_since(first).unwrap();
        open.kill().unwrap();
        open.wait().unwrap();

        assert!(all > 0.0);
    }

    #[test]
    fn two_servers_have_no_common_time() {
        let [one, other] = [1, 2].map(|postmaster| ServerTime { postmaster, ticks: 100 });

        assert_eq!(one.seconds_since(one), Some(0.0));
        assert_eq!(other.seconds_since(one), None);
        assert_eq!(one.seconds_since(ServerTime { ticks: 101, ..one }), None);
    }
}
