//! Removing what has expired, in batches, so that no call holds locks for long.

use async_trait::async_trait;

use crate::Result;
use crate::fence::Tx;

/// Removing expired sessions and tokens of everybody.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ExpiryRepository: Send + Sync {
    /// Deletes at most `batch` sessions that have expired by now. Returns how many: fewer than `batch` means none is left.
    async fn remove_sessions(&self, batch: u64) -> Result<u64>;

    /// Deletes at most `batch` verification tokens that have expired by now. Returns how many.
    async fn remove_verification_tokens(&self, batch: u64) -> Result<u64>;
}

#[async_trait]
impl ExpiryRepository for Tx {
    async fn remove_sessions(&self, batch: u64) -> Result<u64> {
        const SQL: &str = r#"DELETE FROM "Session" WHERE "id" IN (SELECT "id" FROM "Session" WHERE "expires" <= $1 ORDER BY "expires" LIMIT $2)"#;
        remove(self, SQL, batch).await
    }

    async fn remove_verification_tokens(&self, batch: u64) -> Result<u64> {
        const SQL: &str = r#"DELETE FROM "VerificationToken" WHERE "token" IN (SELECT "token" FROM "VerificationToken" WHERE "expires" <= $1 ORDER BY "expires" LIMIT $2)"#;
        remove(self, SQL, batch).await
    }
}

async fn remove(tx: &Tx, sql: &str, batch: u64) -> Result<u64> {
    let batch = i64::try_from(batch).unwrap_or(i64::MAX);
    tx.run_across_tenants(sql, vec![tx.now().into(), batch.into()]).await
}
