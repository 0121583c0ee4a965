//! Runs an operation repeatedly, and reports it as one line of JSON.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rylie_db::prelude::Progress;

use crate::process::{cpu_seconds, peak_memory};
use crate::server_time::{ServerTime, follow};
use crate::{Result, settings};

/// Runs `operation` in a closed loop from `callers` concurrent tasks: first the warm-up, then the measured time.
/// The operation receives its number.
pub(crate) async fn looped<F, W>(workload: &str, callers: usize, operation: F) -> Result<()>
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<()>> + Send + 'static,
{
    let (operation, next) = (Arc::new(operation), Arc::new(AtomicU64::new(0)));
    let (warm, run) = match settings::operations() {
        Some(operations) => (Until::Number(operations / 10), Until::Number(operations / 10 + operations)),
        None => (Until::after(settings::warm_up()), Until::after(settings::warm_up() + settings::run_time())),
    };
    let warmed = drive(callers, &next, warm, &operation).await?.len();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let latencies = drive(callers, &next, run, &operation).await?;
    let (seconds, extra) = (start.elapsed().as_secs_f64(), format!(r#","warm_ops":{warmed}"#));
    if latencies.is_empty() {
        return Err(format!("{workload}: no operation ended in the measured time; raise RUN_S").into());
    }
    report(workload, callers, latencies, seconds, cpu_seconds() - cpu, &extra);
    Ok(())
}

/// Like [`looped`], for an operation that can run only a limited number of times because it uses up rows.
pub(crate) async fn counted<F, W>(workload: &str, operations: u64, operation: F) -> Result<()>
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<()>> + Send + 'static,
{
    let (operation, next) = (Arc::new(operation), Arc::new(AtomicU64::new(0)));
    let warmed = drive(1, &next, Until::Number(operations / 10), &operation).await?.len();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let latencies = drive(1, &next, Until::Number(operations / 10 + operations), &operation).await?;
    let (seconds, extra) = (start.elapsed().as_secs_f64(), format!(r#","warm_ops":{warmed}"#));
    report(workload, 1, latencies, seconds, cpu_seconds() - cpu, &extra);
    Ok(())
}

/// Repeats a bulk operation, and runs `before` ahead of each repetition. The operation must return `rows`, the number
/// of rows it changed. Work in batches reports its progress, so that the line has the longest batch. The line has the
/// server's own time of all operations, if the server keeps statistics of statements.
pub(crate) async fn bulk<F, W>(workload: &str, rows: u64, before: &str, operation: F) -> Result<()>
where
    F: Fn(u64, Progress) -> W,
    W: Future<Output = Result<u64>>,
{
    let (mut latencies, mut cpu, mut longest) = (Vec::new(), 0.0, Duration::ZERO);
    let (mut server, mut server_seconds) = (ServerTime::connect().await?, None);
    for repetition in 0..settings::repetitions() {
        crate::dataset::run_as_owner(before).await?;
        let batches = Batches::begin();
        server.reset().await?;
        let (used, start) = (cpu_seconds(), Instant::now());
        let touched = operation(repetition, batches.progress()).await?;
        latencies.push(start.elapsed().as_secs_f64() * 1e3);
        cpu += cpu_seconds() - used;
        longest = longest.max(batches.longest());
        server_seconds = server.seconds().await?.map(|seconds| seconds + server_seconds.unwrap_or(0.0));
        if touched != rows {
            return Err(format!("{workload}: {touched} rows instead of {rows}").into());
        }
    }
    crate::dataset::run_as_owner(before).await?;
    follow(false).await?;
    let seconds = latencies.iter().sum::<f64>() / 1e3;
    let mut sorted = latencies.clone();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a number of rows is far below 2^52")]
    let rows_per_second = rows as f64 * 1e3 / sorted[(sorted.len() - 1) / 2];
    let milliseconds = longest.as_secs_f64() * 1e3;
    let batch = if longest.is_zero() { String::new() } else { format!(r#","longest_batch_ms":{milliseconds:.1}"#) };
    let server = server_seconds.map_or_else(String::new, |seconds: f64| format!(r#","server_s":{seconds:.4}"#));
    let extra = format!(r#","rows":{rows},"rows_per_s":{rows_per_second:.0}{batch}{server}"#);
    report(workload, 1, latencies, seconds, cpu, &extra);
    Ok(())
}

/// The time of the last report of progress, at first of the beginning, and the longest time between two.
#[derive(Clone)]
struct Batches(Arc<Mutex<(Instant, Duration)>>);

impl Batches {
    fn begin() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), Duration::ZERO))))
    }

    fn progress(&self) -> Progress {
        let batches = self.clone();
        Progress::new(move |_, _| {
            let mut state = batches.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let last = std::mem::replace(&mut state.0, now);
            state.1 = state.1.max(now - last);
        })
    }

    fn longest(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[derive(Clone, Copy)]
enum Until {
    Time(Instant),
    Number(u64),
}

impl Until {
    fn after(time: Duration) -> Self {
        Self::Time(Instant::now() + time)
    }
}

/// Returns the duration of each operation in milliseconds.
async fn drive<F, W>(callers: usize, next: &Arc<AtomicU64>, until: Until, operation: &Arc<F>) -> Result<Vec<f64>>
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<()>> + Send + 'static,
{
    let caller = |operation: Arc<F>, next: Arc<AtomicU64>| async move {
        let mut latencies = Vec::with_capacity(1 << 14);
        loop {
            let start = Instant::now();
            if matches!(until, Until::Time(end) if start >= end) {
                return Ok(latencies);
            }
            let number = next.fetch_add(1, Relaxed);
            if matches!(until, Until::Number(end) if number >= end) {
                next.fetch_sub(1, Relaxed);
                return Ok(latencies);
            }
            operation(number).await?;
            latencies.push(start.elapsed().as_secs_f64() * 1e3);
        }
    };
    let callers: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(Arc::clone(operation), Arc::clone(next)))).collect();
    let mut all = Vec::new();
    for caller in callers {
        let latencies: Result<Vec<f64>> = caller.await?;
        all.extend(latencies?);
    }
    Ok(all)
}

fn report(workload: &str, callers: usize, mut latencies: Vec<f64>, seconds: f64, cpu: f64, extra: &str) {
    latencies.sort_by(f64::total_cmp);
    let (half, nearly_all) = (quantile(&latencies, 50), quantile(&latencies, 99));
    #[expect(clippy::cast_precision_loss, reason = "a number of operations is far below 2^52")]
    let operations = latencies.len().max(1) as f64;
    let implementation = if workload.starts_with("raw_") { "rylie-schema-raw-sqlx" } else { "rylie" };
    println!(
        r#"{{"impl":"{implementation}","workload":"{workload}","conc":{callers},"ops":{},"secs":{seconds:.3},"ops_per_s":{:.2},"p50_ms":{half:.3},"p99_ms":{nearly_all:.3},"cpu_s_per_1000":{:.4},"rss_peak_mb":{:.1}{extra}}}"#,
        latencies.len(),
        operations / seconds,
        cpu / operations * 1e3,
        peak_memory(),
    );
}

/// Returns the median; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or_default()
}
