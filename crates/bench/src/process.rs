//! Resource usage of this process from `/proc` (proc(5)); zero on systems without it.

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

/// Returns the processor time of a PostgreSQL server on this machine in seconds, of the processes that have ended, too.
/// `backend` is the process of one of its connections. Zero if the server is elsewhere.
pub(crate) fn server_cpu_seconds(backend: i32) -> f64 {
    let Some(postmaster) = times(&backend.to_string()).map(|times| times.parent) else { return 0.0 };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(|entry| times(entry.file_name().to_str()?));
    let running: u64 = children.filter(|times| times.parent == postmaster).map(|times| times.own).sum();
    let ended = times(&postmaster.to_string()).map_or(0, |times| times.ended_children);
    // A hundred ticks are a second on Linux (sysconf(3), `_SC_CLK_TCK`).
    f64::from(u32::try_from(running + ended).unwrap_or(u32::MAX)) / 100.0
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
