//! Connections to Google Analytics 4. The tokens are sealed, and no answer has them.

use rylie_axum::{Answer, Problem, TenantWrite};
use rylie_db::repositories::NewGa4Connection;

pub(crate) async fn save_ga4(write: TenantWrite<NewGa4Connection>) -> Result<Answer, Problem> {
    write.run(|unit, new| async move { Answer::ok(&unit.ga4_connections().save(new).await?) }).await
}
