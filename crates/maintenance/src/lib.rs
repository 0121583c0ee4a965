#![doc = include_str!("../README.md")]

mod close_usage;
mod duration;
mod error;
mod job;
mod jobs;
mod remove_expired;
mod schedule;
mod scheduler;
mod seed;

pub use close_usage::close_usage;
pub use error::{EngineFault, Error, Result};
pub use job::{Job, JobContext};
pub use jobs::{CloseUsage, RemoveExpired};
pub use remove_expired::{RemovedExpired, remove_expired};
pub use schedule::{Missed, Schedule, ScheduleSettings};
pub use scheduler::{JobStatus, RunOutcome, RunReport, Scheduler, SchedulerOptions, Upcoming};
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
