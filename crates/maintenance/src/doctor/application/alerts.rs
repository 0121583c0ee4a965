//! Alerts and their targets.

use std::net::ToSocketAddrs;
use std::time::Duration;

use crate::alert::Notifier;
use crate::doctor::check::{CheckSpec, Need, both};
use crate::doctor::report::{Outcome, Verdict};

/// Maximum wait for a target.
const WITHIN: Duration = Duration::from_secs(2);

pub(super) const UNDELIVERED: CheckSpec = both(
    "application.alerts-undelivered",
    "An alert was not delivered, so it is not known.",
    "SELECT 'critical', 'target ' || target, count(*) || ' alerts are not delivered, the first since ' || min(created_at), NULL, NULL FROM rylie_alert_deliveries \
     WHERE delivered_at IS NULL AND (error IS NOT NULL OR created_at < {ago 1}) GROUP BY target",
)
.healthy("every alert is delivered")
.needs(&[Need::Table("rylie_alert_deliveries"), Need::EveryTenant])
.fix("rylie maintain status shows the error; correct the target, and the next run delivers", "none");

/// A target with the reason for which it cannot be reached.
pub type AlertTarget = (String, Option<String>);

/// Opens a connection to the host of each target and sends nothing.
pub async fn reach(notifiers: &[Notifier]) -> Vec<AlertTarget> {
    let mut targets = Vec::new();
    for notifier in notifiers {
        let place = notifier.place();
        let reached = match place {
            None => Err("its host is not known".to_owned()),
            Some(place) => connect(place).await,
        };
        targets.push((notifier.target().to_owned(), reached.err()));
    }
    targets
}

async fn connect((host, port): (String, u16)) -> Result<(), String> {
    let looking = tokio::task::spawn_blocking(move || {
        let addresses =
            (host.as_str(), port).to_socket_addrs().map_err(|error| format!("its host is not found: {error}"))?;
        let mut last = "its host has no address".to_owned();
        for address in addresses {
            match std::net::TcpStream::connect_timeout(&address, WITHIN) {
                Ok(_) => return Ok(()),
                Err(error) => last = format!("port {port} does not answer: {error}"),
            }
        }
        Err(last)
    });
    let ended = tokio::time::timeout(WITHIN * 2, looking).await;
    ended.map_err(|_| "its host does not answer within 4 s".to_owned())?.map_err(|error| error.to_string())?
}

/// Returns the outcome of `application.alert-targets`.
#[must_use]
pub fn alert_target_outcome(targets: &[AlertTarget]) -> Outcome {
    if targets.is_empty() {
        return Outcome::not_checked("no target of alerts is configured; set size_notify");
    }
    let unreachable = targets.iter().filter_map(|(target, error)| Some((target, error.as_ref()?)));
    unreachable.fold(Outcome::ok(format!("{} targets can be reached", targets.len())), |outcome, (target, error)| {
        outcome.with(Verdict::Critical, format!("target {target}"), error.clone())
    })
}
