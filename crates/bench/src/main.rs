#![doc = include_str!("../README.md")]

mod audit;
mod dataset;
mod delay;
mod growth;
mod measure;
mod own;
mod paths;
mod process;
mod server_time;
mod service;
mod settings;
mod table;
mod workloads;

use std::process::ExitCode;

use dataset::Size;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

const USAGE: &str = "usage: rylie-bench [--rtt MS,MS…] <workload>… | --list | prepare [--requests N] [--agencies N] \
                     [--users N] | own [ROUNDS] | audit [RECORDS] | pairs | table <file> | growth <file> | \
                     paths <file> | proxy <port> <host:port> <MS>";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(async { run(std::env::args().skip(1).collect()).await }),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rylie-bench: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<()> {
    match arguments.first().map(String::as_str) {
        None | Some("-h" | "--help") => println!("{USAGE}"),
        Some("--list") => println!("{}", workloads::NAMES.join("\n")),
        Some("pairs") if arguments.len() > 1 => println!("{}", table::AT_A_DISTANCE.join(" ")),
        Some("own") => {
            let rounds = arguments.get(1).map_or(Ok(2_000), |rounds| rounds.parse())?;
            // A task runs on the runtime's worker threads, not on the main thread.
            tokio::spawn(own::compare(rounds)).await??;
        }
        Some("audit") => audit::compare(arguments.get(1).map_or(Ok(200_000), |records| records.parse())?).await?,
        // The steps of `audit`.
        Some("audit-seal") => tokio::spawn(audit::seal()).await??,
        Some("audit-verify") => tokio::spawn(audit::verify()).await??,
        Some("pairs") => table::PAIRS.iter().for_each(|pair| println!("{}", pair.join(" "))),
        Some("table") => {
            let file = arguments.get(1).ok_or(USAGE)?;
            print!("{}", table::of(&std::fs::read_to_string(file)?));
        }
        Some("growth") => {
            let file = arguments.get(1).ok_or(USAGE)?;
            print!("{}", growth::of(&std::fs::read_to_string(file)?));
        }
        Some("paths") => {
            let file = arguments.get(1).ok_or(USAGE)?;
            print!("{}", paths::of(&std::fs::read_to_string(file)?)?);
        }
        Some("--rtt") => at_distances(&arguments[1..]).await?,
        Some("proxy") => {
            let [port, server, rtt] = &arguments[1..] else { return Err(USAGE.into()) };
            let address = delay::start(port.parse()?, server.clone(), round_trip(delay::distances(rtt)?[0]))?;
            println!("{address}");
            std::future::pending::<()>().await;
        }
        Some("prepare") => dataset::prepare(Size::from_arguments(&arguments[1..])?).await?,
        Some(_) => {
            dataset::refuse_smaller().await?;
            for name in &arguments {
                // A task runs on the runtime's worker threads, not on the main thread.
                let name = name.clone();
                tokio::spawn(async move { workloads::run(&name).await }).await??;
            }
        }
    }
    Ok(())
}

/// Runs workloads at each distance, each in its own process, and adds the distance to its lines.
async fn at_distances(arguments: &[String]) -> Result<()> {
    let (distances, workloads) = arguments.split_first().ok_or(USAGE)?;
    for rtt in delay::distances(distances)? {
        let through = |url: String| -> Result<String> {
            let server = delay::server_of(&url)?;
            let proxy = delay::start(0, server.clone(), round_trip(rtt))?;
            Ok(url.replacen(&server, &proxy.to_string(), 1))
        };
        let mut run = tokio::process::Command::new(std::env::current_exe()?);
        run.args(workloads).env("SERVICE_DATABASE_URL", through(settings::service_url()?)?);
        let done = run.stderr(std::process::Stdio::inherit()).output().await?;
        if !done.status.success() {
            return Err(format!("a workload failed at {rtt} ms").into());
        }
        for line in String::from_utf8(done.stdout)?.lines() {
            println!("{},\"rtt_ms\":{rtt}}}", line.trim_end_matches('}'));
        }
    }
    Ok(())
}

fn round_trip(milliseconds: f64) -> std::time::Duration {
    std::time::Duration::from_secs_f64(milliseconds / 1e3)
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
