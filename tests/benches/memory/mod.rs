//! Measures the memory of a benchmark.

use crate::Outcome;

/// Returns the peak memory of this process so far. Linux only.
pub(crate) fn resident_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
