#![doc = include_str!("../README.md")]

mod dataset;
mod measure;
mod own;
mod process;
mod service;
mod settings;
mod table;
mod workloads;

use std::process::ExitCode;

use dataset::Size;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

const USAGE: &str = "usage: rylie-bench <workload>… | --list | prepare [--requests N] [--agencies N] | own [ROUNDS] | pairs | table <file>";

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
        Some("own") => {
            let rounds = arguments.get(1).map_or(Ok(2_000), |rounds| rounds.parse())?;
            // A task runs on the runtime's worker threads, not on the main thread.
            tokio::spawn(own::compare(rounds)).await??;
        }
        Some("pairs") => table::PAIRS.iter().for_each(|pair| println!("{}", pair.join(" "))),
        Some("table") => {
            let file = arguments.get(1).ok_or(USAGE)?;
            print!("{}", table::of(&std::fs::read_to_string(file)?));
        }
        Some("prepare") => dataset::prepare(Size::from_arguments(&arguments[1..])?).await?,
        Some(_) => {
            for name in &arguments {
                // A task runs on the runtime's worker threads, not on the main thread.
                let name = name.clone();
                tokio::spawn(async move { workloads::run(&name).await }).await??;
            }
        }
    }
    Ok(())
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
